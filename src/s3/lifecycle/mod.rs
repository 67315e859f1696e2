//! What a bucket does with its objects as they grow old: the rules of its lifecycle, and what follows
//! from them for one object. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>

mod document;
mod judge;

use time::OffsetDateTime;

pub use judge::{Day, Due, Subject};

use crate::s3::tags::Tags;

/// The rules of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// In the order in which they were put; each has an id.
    pub rules: Vec<Rule>,
    /// How large an object has to be for a transition.
    pub minimum: TransitionMinimum,
}

/// `x-amz-transition-default-minimum-object-size`, for rules that say nothing of sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransitionMinimum {
    /// 128 KiB for every class.
    #[default]
    AllStorageClasses,
    /// 128 KiB, but for `GLACIER` and `DEEP_ARCHIVE`, which take any size.
    VariesByStorageClass,
}

impl TransitionMinimum {
    /// As in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllStorageClasses => "all_storage_classes_128K",
            Self::VariesByStorageClass => "varies_by_storage_class",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::AllStorageClasses, Self::VariesByStorageClass]
            .into_iter()
            .find(|minimum| minimum.name() == name)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, given by the client or made for it.
    pub id: String,
    /// Does it count?
    pub enabled: bool,
    /// Which objects it is about.
    pub filter: Filter,
    /// In which form the filter was put, and is shown.
    pub form: FilterForm,
    /// When objects go.
    pub expiration: Option<Expiration>,
    /// When objects change their class.
    pub transitions: Vec<Transition>,
    /// When noncurrent versions go.
    pub noncurrent_expiration: Option<Noncurrent>,
    /// When noncurrent versions change their class.
    pub noncurrent_transitions: Vec<(Noncurrent, Class)>,
    /// After how many days an upload is given up.
    pub abort_uploads_after: Option<u32>,
}

/// Which objects a rule is about: all that meet everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What their keys begin with.
    pub prefix: Option<String>,
    /// Tags that they have.
    pub tags: Tags,
    /// They have more bytes than this.
    pub larger_than: Option<u64>,
    /// They have fewer bytes than this.
    pub smaller_than: Option<u64>,
}

/// How a client wrote a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterForm {
    /// `Prefix` in the rule itself, as old clients do.
    Prefix,
    /// `Filter` with at most one condition.
    Single,
    /// `Filter` with an `And`.
    And,
}

/// When objects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// So and so old, or from that date.
    When(When),
    /// Delete markers that have nothing left to hide.
    DeleteMarker,
}

/// A moment in the life of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So many days after it was made.
    Days(u32),
    /// From that midnight on.
    Date(OffsetDateTime),
}

/// When something happens to noncurrent versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noncurrent {
    /// So many days after it became one.
    pub days: u32,
    /// But for so many newer ones.
    pub newer: Option<u32>,
}

/// When objects change their class, and to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub when: When,
    /// To which class.
    pub class: Class,
}

/// A class that objects move to, from the warmest to the coldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// `STANDARD_IA`
    StandardIa,
    /// `ONEZONE_IA`
    OneZoneIa,
    /// `GLACIER_IR`
    GlacierIr,
    /// `GLACIER`
    Glacier,
    /// `DEEP_ARCHIVE`
    DeepArchive,
}

impl Class {
    const ALL: [Self; 5] =
        [Self::StandardIa, Self::OneZoneIa, Self::GlacierIr, Self::Glacier, Self::DeepArchive];

    /// As it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::OneZoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}
