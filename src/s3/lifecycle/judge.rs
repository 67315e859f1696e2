//! What the rules of a lifecycle mean for one object or one upload, and when.

use time::{Duration, OffsetDateTime};

use super::{Class, Expiration, Filter, Lifecycle, Rule, TransitionMinimum, When};
use crate::s3::tags::Tags;

/// What is smaller is not moved, unless its rule speaks of sizes, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
const TRANSITION_BYTES_MIN: u64 = 128 * 1024;

/// How long a day is; tests shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(Duration);

impl Default for Day {
    fn default() -> Self {
        Self(Duration::DAY)
    }
}

impl Day {
    /// A day of so many seconds, at least one.
    pub fn of_seconds(seconds: u32) -> Self {
        Self(Duration::seconds(i64::from(seconds.max(1))))
    }

    /// A day of that length, of whole seconds.
    pub fn of(length: std::time::Duration) -> Self {
        Self::of_seconds(u32::try_from(length.as_secs()).unwrap_or(u32::MAX))
    }

    /// How long it is.
    pub const fn length(self) -> Duration {
        self.0
    }

    /// The end of the day in which `days` after `start` falls: S3 rounds up to the next midnight.
    /// None: beyond the calendar.
    fn after(self, start: OffsetDateTime, days: u32) -> Option<OffsetDateTime> {
        let length = self.0.whole_seconds().max(1);
        let whole = start.unix_timestamp().checked_add(length.checked_mul(i64::from(days))?)?;
        let exact = whole.rem_euclid(length) == 0 && start.nanosecond() == 0;
        let midnight = whole.checked_sub(whole.rem_euclid(length))?;
        let midnight = if exact { midnight } else { midnight.checked_add(length)? };
        OffsetDateTime::from_unix_timestamp(midnight).ok()
    }
}

/// An object, as far as rules ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its key.
    pub key: &'a str,
    /// When it was written.
    pub modified: OffsetDateTime,
    /// Its length, in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: &'a Tags,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It goes.
    Expire,
    /// It moves to a colder class.
    Move(Class),
}

impl Lifecycle {
    /// Does any rule that counts ask for tags? Without one they need not be known.
    pub fn asks_for_tags(&self) -> bool {
        self.active().any(|rule| !rule.filter.tags.is_empty())
    }

    /// Does any rule that counts act on objects, whatever their age?
    pub fn acts_on_objects(&self) -> bool {
        self.active().any(acts_on_objects)
    }

    /// Does any rule that counts give up uploads?
    pub fn acts_on_uploads(&self) -> bool {
        self.active().any(|rule| rule.abort_uploads_after.is_some())
    }

    /// The prefixes of the keys that its rules are about, none inside another.
    pub fn prefixes(&self) -> Vec<String> {
        let mut all: Vec<&str> = self
            .active()
            .filter(|rule| acts_on_objects(rule))
            .map(|rule| rule.filter.prefix.as_deref().unwrap_or_default())
            .collect();
        all.sort_unstable();
        let mut prefixes: Vec<String> = Vec::new();
        for prefix in all {
            if !prefixes.last().is_some_and(|last| prefix.starts_with(last.as_str())) {
                prefixes.push(prefix.to_owned());
            }
        }
        prefixes
    }

    /// When an object goes, and by which rule; the earliest counts.
    pub fn expiration(&self, object: &Subject<'_>, day: Day) -> Option<(OffsetDateTime, &str)> {
        let found = self.active().filter(|rule| fits(&rule.filter, object)).filter_map(|rule| {
            let Some(Expiration::When(when)) = rule.expiration else { return None };
            Some((moment(when, object.modified, day)?, rule.id.as_str()))
        });
        found.min_by_key(|(moment, _)| *moment)
    }

    /// What is due for an object now. That it goes comes before any move, and of two moves that are
    /// due the colder counts, as S3 decides it.
    pub fn due(&self, object: &Subject<'_>, now: OffsetDateTime, day: Day) -> Option<Due> {
        if self.expiration(object, day).is_some_and(|(moment, _)| moment <= now) {
            return Some(Due::Expire);
        }
        let rules = self.active().filter(|rule| fits(&rule.filter, object));
        let moves = rules.flat_map(|rule| rule.transitions.iter().map(move |one| (rule, one)));
        let due = moves
            .filter(|(rule, one)| self.is_large_enough(rule, one.class, object.size))
            .filter(|(_, one)| {
                moment(one.when, object.modified, day).is_some_and(|moment| moment <= now)
            })
            .map(|(_, one)| one.class);
        due.max().map(Due::Move)
    }

    /// When an upload that began then is given up.
    pub fn upload_ends(
        &self,
        key: &str,
        began: OffsetDateTime,
        day: Day,
    ) -> Option<(OffsetDateTime, &str)> {
        let found = self.active().filter_map(|rule| {
            let days = rule.abort_uploads_after?;
            let prefix = rule.filter.prefix.as_deref().unwrap_or_default();
            let moment = key.starts_with(prefix).then(|| day.after(began, days))??;
            Some((moment, rule.id.as_str()))
        });
        found.min_by_key(|(moment, _)| *moment)
    }

    fn active(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    fn is_large_enough(&self, rule: &Rule, class: Class, size: u64) -> bool {
        let any_size = rule.filter.larger_than.is_some()
            || rule.filter.smaller_than.is_some()
            || (self.minimum == TransitionMinimum::VariesByStorageClass
                && matches!(class, Class::Glacier | Class::DeepArchive));
        any_size || size >= TRANSITION_BYTES_MIN
    }
}

fn acts_on_objects(rule: &Rule) -> bool {
    matches!(rule.expiration, Some(Expiration::When(_))) || !rule.transitions.is_empty()
}

fn moment(when: When, modified: OffsetDateTime, day: Day) -> Option<OffsetDateTime> {
    match when {
        When::Days(days) => day.after(modified, days),
        When::Date(date) => Some(date),
    }
}

fn fits(filter: &Filter, object: &Subject<'_>) -> bool {
    object.key.starts_with(filter.prefix.as_deref().unwrap_or_default())
        && filter.tags.iter().all(|(key, value)| object.tags.get(key) == Some(value))
        && filter.larger_than.is_none_or(|bytes| object.size > bytes)
        && filter.smaller_than.is_none_or(|bytes| object.size < bytes)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::s3::tags::Limit;

    const WRITTEN: OffsetDateTime = datetime!(2026-11-22 06:30 UTC);

    fn lifecycle(rules: &str) -> Lifecycle {
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        Lifecycle::read(document.as_bytes(), |at| format!("r{at}")).unwrap()
    }

    fn rule(filter: &str, actions: &str) -> String {
        format!("<Rule><Status>Enabled</Status><Filter>{filter}</Filter>{actions}</Rule>")
    }

    fn expires(days: u32) -> String {
        format!("<Expiration><Days>{days}</Days></Expiration>")
    }

    fn moves(days: u32, class: &str) -> String {
        format!("<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>")
    }

    fn due(lifecycle: &Lifecycle, key: &str, size: u64, tags: &str, days: i64) -> Option<Due> {
        let tags = Tags::parse(tags, Limit::Object).unwrap();
        let object = Subject { key, modified: WRITTEN, size, tags: &tags };
        let day = Day::default();
        lifecycle.due(&object, datetime!(2026-11-22 00:00 UTC) + Duration::days(days), day)
    }

    #[test]
    fn an_object_goes_at_the_midnight_after_its_days() {
        let one = lifecycle(&rule("<Prefix>a</Prefix>", &expires(1)));
        assert_eq!(due(&one, "a", 1, "", 1), None);
        assert_eq!(due(&one, "a", 1, "", 2), Some(Due::Expire));
        assert_eq!(due(&one, "b", 1, "", 9), None);
        let tags = Tags::default();
        let object = Subject { key: "a", modified: WRITTEN, size: 1, tags: &tags };
        let found = one.expiration(&object, Day::default());
        assert_eq!(found, Some((datetime!(2026-11-24 00:00 UTC), "r0")));
        let short = one.expiration(&object, Day::of_seconds(10)).unwrap().0;
        assert_eq!(short, datetime!(2026-11-22 06:30:10 UTC), "exact");
        let later = Subject { modified: WRITTEN + Duration::milliseconds(1), ..object };
        let short = one.expiration(&later, Day::of_seconds(10)).unwrap().0;
        assert_eq!(short, datetime!(2026-11-22 06:30:20 UTC), "the next one");
    }

    #[test]
    fn the_earliest_rule_announces() {
        let two = lifecycle(&(rule("", &expires(9)) + &rule("<Prefix>a</Prefix>", &expires(3))));
        let tags = Tags::default();
        let id = |key: &str| {
            let object = Subject { key, modified: WRITTEN, size: 1, tags: &tags };
            two.expiration(&object, Day::default()).unwrap().1.to_owned()
        };
        assert_eq!((id("a").as_str(), id("b").as_str()), ("r1", "r0"));
    }

    #[test]
    fn tags_and_sizes_have_to_fit() {
        let filter = "<And><Tag><Key>a</Key><Value>b</Value></Tag><ObjectSizeGreaterThan>5\
            </ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And>";
        let one = lifecycle(&rule(filter, &expires(1)));
        assert!(one.asks_for_tags());
        for (size, tags, wanted) in [
            (6, "a=b", true),
            (8, "a=b&c=d", true),
            (5, "a=b", false),
            (9, "a=b", false),
            (6, "a=c", false),
            (6, "", false),
        ] {
            assert_eq!(due(&one, "k", size, tags, 3).is_some(), wanted, "{size} {tags}");
        }
    }

    #[test]
    fn the_coldest_move_that_is_due_counts_and_to_go_comes_first() {
        let actions = moves(1, "STANDARD_IA") + &moves(3, "GLACIER") + &expires(5);
        let one = lifecycle(&rule("", &actions));
        let large = TRANSITION_BYTES_MIN;
        assert_eq!(due(&one, "k", large, "", 1), None);
        assert_eq!(due(&one, "k", large, "", 2), Some(Due::Move(Class::StandardIa)));
        assert_eq!(due(&one, "k", large, "", 4), Some(Due::Move(Class::Glacier)));
        assert_eq!(due(&one, "k", large, "", 6), Some(Due::Expire));
    }

    #[test]
    fn small_objects_stay_where_they_are() {
        let mut one = lifecycle(&rule("", &(moves(1, "STANDARD_IA") + &moves(2, "GLACIER"))));
        assert_eq!(due(&one, "k", 1, "", 9), None);
        one.minimum = TransitionMinimum::VariesByStorageClass;
        assert_eq!(due(&one, "k", 1, "", 2), None);
        assert_eq!(due(&one, "k", 1, "", 9), Some(Due::Move(Class::Glacier)));
        let filter = "<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>";
        let sized = lifecycle(&rule(filter, &moves(1, "STANDARD_IA")));
        assert_eq!(due(&sized, "k", 1, "", 9), Some(Due::Move(Class::StandardIa)));
    }

    #[test]
    fn a_date_is_a_date_and_a_disabled_rule_none() {
        let date = "<Expiration><Date>2026-11-23</Date></Expiration>";
        assert_eq!(due(&lifecycle(&rule("", date)), "k", 1, "", 1), Some(Due::Expire));
        let disabled = rule("", date).replace("Enabled", "Disabled");
        assert_eq!(due(&lifecycle(&disabled), "k", 1, "", 99), None);
        assert!(!lifecycle(&disabled).acts_on_objects());
    }

    #[test]
    fn uploads_end_by_prefix() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>\
            </AbortIncompleteMultipartUpload>";
        let one = lifecycle(&rule("<Prefix>a/</Prefix>", abort));
        let ends = |key: &str| one.upload_ends(key, WRITTEN, Day::default());
        assert_eq!(ends("a/b"), Some((datetime!(2026-11-25 00:00 UTC), "r0")));
        assert_eq!(ends("b"), None);
        assert!(!one.acts_on_objects());
    }

    #[test]
    fn prefixes_are_walked_once() {
        let rules = ["a/b", "a/", "c", "a/", "b"]
            .map(|prefix| rule(&format!("<Prefix>{prefix}</Prefix>"), &expires(1)));
        assert_eq!(lifecycle(&rules.concat()).prefixes(), ["a/", "b", "c"]);
        assert_eq!(lifecycle(&(rules.concat() + &rule("", &expires(1)))).prefixes(), [""]);
    }

    #[test]
    fn days_beyond_the_calendar_never_come() {
        let far = lifecycle(&rule("", &expires(2_147_483_647)));
        assert_eq!(due(&far, "k", 1, "", 99), None);
    }
}
