//! Access control lists of buckets and objects:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>.

use crate::access::action::Action;
use crate::access::directory::Directory;
use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// The most grants of one list.
const GRANTS_MAX: usize = 100;
/// The longest list as a document: 100 grants, each with id, name and namespaces.
pub const ACL_BYTES_MAX: usize = 64 * 1024;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// What a grant gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To list a bucket, or to read an object.
    Read,
    /// To write objects into a bucket.
    Write,
    /// To read the list itself.
    ReadAcp,
    /// To change the list.
    WriteAcp,
    /// All of it.
    FullControl,
}

impl Permission {
    const ALL: [Self; 5] =
        [Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp, Self::FullControl];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Read => "x-amz-grant-read",
            Self::Write => "x-amz-grant-write",
            Self::ReadAcp => "x-amz-grant-read-acp",
            Self::WriteAcp => "x-amz-grant-write-acp",
            Self::FullControl => "x-amz-grant-full-control",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// A user, by canonical id.
    User(String),
    /// Everybody, with or without credentials.
    AllUsers,
    /// Everybody with credentials.
    AuthenticatedUsers,
    /// S3's delivery of logs, which nobody is here.
    LogDelivery,
}

impl Grantee {
    const GROUPS: [Self; 3] = [Self::AllUsers, Self::AuthenticatedUsers, Self::LogDelivery];

    fn uri(&self) -> Option<&'static str> {
        match self {
            Self::User(_) => None,
            Self::AllUsers => Some(ALL_USERS),
            Self::AuthenticatedUsers => Some(AUTHENTICATED_USERS),
            Self::LogDelivery => Some(LOG_DELIVERY),
        }
    }

    fn is(&self, caller: Option<&str>) -> bool {
        match self {
            Self::User(id) => caller == Some(id),
            Self::AllUsers => true,
            Self::AuthenticatedUsers => caller.is_some(),
            Self::LogDelivery => false,
        }
    }

    /// Does it stand for people whom nobody has named?
    const fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

/// A list of grants. Where nobody has set one, the owner has all rights and nobody else any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    grants: Vec<(Grantee, Permission)>,
}

/// What a list is of: they differ in their canned lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A bucket.
    Bucket,
    /// An object in a bucket of this owner.
    Object(Option<&'a str>),
}

impl Acl {
    /// The list of what nobody has set one for.
    pub fn private(owner: &str) -> Self {
        Self { grants: vec![(Grantee::User(owner.to_owned()), Permission::FullControl)] }
    }

    /// The canned list of that name: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>.
    pub fn canned(name: &str, owner: &str, of: Of<'_>) -> Result<Self, Error> {
        use Grantee::{AllUsers, AuthenticatedUsers, LogDelivery, User};
        use Permission::{FullControl, Read, ReadAcp, Write};
        let bucket_owner = match of {
            Of::Object(Some(id)) if id != owner => Some(User(id.to_owned())),
            Of::Bucket | Of::Object(_) => None,
        };
        let bucket_owner_has = |permission| bucket_owner.map(|user| (user, permission));
        let mut grants = match (name, of) {
            ("private", _) => vec![],
            ("public-read", _) => vec![(AllUsers, Read)],
            ("public-read-write", _) => vec![(AllUsers, Read), (AllUsers, Write)],
            ("authenticated-read", _) => vec![(AuthenticatedUsers, Read)],
            ("log-delivery-write", Of::Bucket) => {
                vec![(LogDelivery, Write), (LogDelivery, ReadAcp)]
            }
            ("bucket-owner-read", _) => bucket_owner_has(Read).into_iter().collect(),
            ("bucket-owner-full-control", _) => bucket_owner_has(FullControl).into_iter().collect(),
            ("aws-exec-read", _) => {
                return Err(Error::new(Code::NotImplemented)
                    .message("The canned ACL aws-exec-read is not implemented.")
                    .detail("Header", "x-amz-acl"));
            }
            _ => return Err(Error::invalid_argument("x-amz-acl", name, "Invalid canned ACL")),
        };
        grants.push((User(owner.to_owned()), FullControl));
        Ok(Self { grants })
    }

    /// The list of `x-amz-grant-*` headers; none if there is no such header.
    pub fn granted(headers: &http::HeaderMap, users: &Directory) -> Result<Option<Self>, Error> {
        let values = Permission::ALL.into_iter().flat_map(|permission| {
            headers.get_all(permission.header()).iter().map(move |value| (permission, value))
        });
        let mut acl = None;
        for (permission, value) in values {
            let acl = acl.get_or_insert_with(Self::default);
            let value = value.to_str().map_err(|_not_ascii| bad_grant(permission, ""))?;
            for grantee in value.split(',') {
                acl.push(read_grantee(grantee, permission, users)?, permission)?;
            }
        }
        Ok(acl)
    }

    /// Reads an `AccessControlPolicy` for something that `owner` owns, which it cannot give away.
    pub fn read(document: &[u8], owner: &str, users: &Directory) -> Result<Self, Error> {
        let malformed = || Error::new(Code::MalformedACLError);
        let document = xml::read(document, "AccessControlPolicy")
            .map_err(|fault| malformed().caused_by(fault))?;
        let said = document.one("Owner")?.map(|owner| owner.need("ID")).transpose()?;
        if said.is_some_and(|id| id.trim() != owner) {
            return Err(Error::new(Code::AccessDenied));
        }
        let list = document.one("AccessControlList")?.ok_or_else(malformed)?;
        let mut acl = Self::default();
        for grant in &list.children {
            if grant.name != "Grant" {
                return Err(malformed());
            }
            let permission = Permission::parse(grant.need("Permission")?.trim());
            let grantee = grant.one("Grantee")?.ok_or_else(malformed)?;
            acl.push(read_element(grantee, users)?, permission.ok_or_else(malformed)?)?;
        }
        Ok(acl)
    }

    fn push(&mut self, grantee: Grantee, permission: Permission) -> Result<(), Error> {
        if self.grants.len() == GRANTS_MAX {
            return Err(Error::new(Code::MalformedACLError)
                .message(format!("An ACL has at most {GRANTS_MAX} grants.")));
        }
        self.grants.push((grantee, permission));
        Ok(())
    }

    /// As a document. Users who are no longer known are named by their ids. Groups come first: S3
    /// promises no order, and ceph's suite counts on this one.
    pub fn document(&self, owner: &str, users: &Directory) -> String {
        let name_of =
            |id: &str| users.user(id).map_or_else(|| id.to_owned(), |u| u.name().to_owned());
        let mut document = Writer::document("AccessControlPolicy");
        document.open("Owner").text("ID", owner).text("DisplayName", name_of(owner)).close("Owner");
        document.open("AccessControlList");
        let (groups, named): (Vec<_>, Vec<_>) =
            self.grants.iter().partition(|(grantee, _)| grantee.uri().is_some());
        for (grantee, permission) in groups.into_iter().chain(named) {
            let kind = if grantee.uri().is_some() { "Group" } else { "CanonicalUser" };
            document.open("Grant").open_with(
                "Grantee",
                &format!(
                    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\""
                ),
            );
            match (grantee, grantee.uri()) {
                (Grantee::User(id), _) => {
                    document.text("ID", id).text("DisplayName", name_of(id));
                }
                (_, uri) => {
                    document.maybe("URI", uri);
                }
            }
            document.close("Grantee").text("Permission", permission.name()).close("Grant");
        }
        document.close("AccessControlList");
        document.finish("AccessControlPolicy")
    }

    /// As a short text, to keep: `READ all;FULL_CONTROL =id`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (grantee, permission) in &self.grants {
            let separator = if text.is_empty() { "" } else { ";" };
            let who = match grantee {
                Grantee::User(id) => format!("={}", id.replace('%', "%25").replace(';', "%3B")),
                Grantee::AllUsers => "all".to_owned(),
                Grantee::AuthenticatedUsers => "authenticated".to_owned(),
                Grantee::LogDelivery => "logs".to_owned(),
            };
            for part in [separator, permission.name(), " ", &who] {
                text.push_str(part);
            }
        }
        text
    }

    /// Reads [`Acl::text`]; none if it is not of this release's form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut grants = Vec::new();
        for grant in text.split(';').filter(|grant| !grant.is_empty()) {
            let (permission, who) = grant.split_once(' ')?;
            let grantee = match who {
                "all" => Grantee::AllUsers,
                "authenticated" => Grantee::AuthenticatedUsers,
                "logs" => Grantee::LogDelivery,
                user => {
                    let id = user.strip_prefix('=')?;
                    Grantee::User(id.replace("%3B", ";").replace("%25", "%"))
                }
            };
            grants.push((grantee, Permission::parse(permission)?));
        }
        Some(Self { grants })
    }

    /// Does it say no more than that the owner has all rights?
    pub fn is_private(&self, owner: &str) -> bool {
        *self == Self::private(owner)
    }

    /// Does it grant anything to people whom nobody has named?
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|(grantee, _)| grantee.is_public())
    }

    /// Does it give `caller` this permission? `public`: do grants to everybody count?
    pub(super) fn gives(
        &self,
        caller: Option<&str>,
        permission: Permission,
        public: Public,
    ) -> bool {
        self.grants.iter().any(|(grantee, given)| {
            (*given == permission || *given == Permission::FullControl)
                && grantee.is(caller)
                && (public == Public::Counts || !grantee.is_public())
        })
    }
}

/// Do grants to everybody count?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Public {
    Counts,
    Ignored,
}

fn bad_grant(permission: Permission, value: &str) -> Error {
    Error::invalid_argument(permission.header(), value, "Argument format not recognized")
}

/// `id="..."`, `uri="..."`, `emailAddress="..."`; the quotes may be missing.
fn read_grantee(text: &str, permission: Permission, users: &Directory) -> Result<Grantee, Error> {
    let bad = || bad_grant(permission, text);
    let (kind, value) = text.trim().split_once('=').ok_or_else(bad)?;
    let value = value.trim().trim_matches('"');
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => user(value, users),
        "uri" => group(value),
        "emailaddress" => by_email(value, users),
        _ => Err(bad()),
    }
}

/// What is inside tells what it is; `xsi:type` says the same.
fn read_element(element: &Element, users: &Directory) -> Result<Grantee, Error> {
    let text = |name| element.one(name).map(|child| child.map(|child| child.text.trim()));
    match (text("ID")?, text("URI")?, text("EmailAddress")?) {
        (Some(id), None, None) => user(id, users),
        (None, Some(uri), None) => group(uri),
        (None, None, Some(email)) => by_email(email, users),
        _ => Err(Error::new(Code::MalformedACLError)),
    }
}

fn user(id: &str, users: &Directory) -> Result<Grantee, Error> {
    let user = users.user(id).map(|user| Grantee::User(user.id().to_owned()));
    user.ok_or_else(|| Error::invalid_argument("CanonicalUser/ID", id, "Invalid id"))
}

fn group(uri: &str) -> Result<Grantee, Error> {
    let group = Grantee::GROUPS.into_iter().find(|group| group.uri() == Some(uri));
    group.ok_or_else(|| Error::invalid_argument("Group/URI", uri, "Invalid group uri"))
}

fn by_email(email: &str, users: &Directory) -> Result<Grantee, Error> {
    let user = users.by_email(email).map(|user| Grantee::User(user.id().to_owned()));
    user.ok_or_else(|| Error::new(Code::UnresolvableGrantByEmailAddress))
}

/// What an action needs in the list of a bucket.
#[expect(clippy::wildcard_enum_match_arm, reason = "no list of a bucket gives any other")]
pub(super) fn needed_on_bucket(action: Action) -> Option<Permission> {
    match action {
        Action::ListBucket | Action::ListBucketVersions | Action::ListBucketMultipartUploads => {
            Some(Permission::Read)
        }
        Action::PutObject => Some(Permission::Write),
        Action::GetBucketAcl => Some(Permission::ReadAcp),
        Action::PutBucketAcl => Some(Permission::WriteAcp),
        _ => None,
    }
}

/// What an action needs in the list of an object.
#[expect(clippy::wildcard_enum_match_arm, reason = "no list of an object gives any other")]
pub(super) fn needed_on_object(action: Action) -> Option<Permission> {
    match action {
        Action::GetObject
        | Action::GetObjectVersion
        | Action::GetObjectAttributes
        | Action::GetObjectVersionAttributes
        | Action::GetObjectTorrent
        | Action::GetObjectVersionTorrent => Some(Permission::Read),
        Action::GetObjectAcl | Action::GetObjectVersionAcl => Some(Permission::ReadAcp),
        Action::PutObjectAcl | Action::PutObjectVersionAcl => Some(Permission::WriteAcp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};
    use proptest::sample::select;
    use proptest::strategy::Just;

    use super::{Acl, Grantee, Of, Permission, Public};
    use crate::access::directory::{Directory, NewUser};
    use crate::s3::Code;

    fn users() -> Directory {
        let user = |id: &str| NewUser {
            id: id.to_owned(),
            name: Some(format!("The {id}")),
            email: Some(format!("{id}@example.com")),
            ..NewUser::default()
        };
        Directory::new([user("ann"), user("bob")]).unwrap()
    }

    fn canned(name: &str) -> String {
        Acl::canned(name, "ann", Of::Object(Some("bob"))).unwrap().text()
    }

    #[test]
    fn canned_lists_are_s3s() {
        for (name, text) in [
            ("private", "FULL_CONTROL =ann"),
            ("public-read", "READ all;FULL_CONTROL =ann"),
            ("public-read-write", "READ all;WRITE all;FULL_CONTROL =ann"),
            ("authenticated-read", "READ authenticated;FULL_CONTROL =ann"),
            ("bucket-owner-read", "READ =bob;FULL_CONTROL =ann"),
            ("bucket-owner-full-control", "FULL_CONTROL =bob;FULL_CONTROL =ann"),
        ] {
            assert_eq!(canned(name), text);
        }
        let bucket = |name| Acl::canned(name, "ann", Of::Bucket);
        assert_eq!(
            bucket("log-delivery-write").unwrap().text(),
            "WRITE logs;READ_ACP logs;FULL_CONTROL =ann"
        );
        // S3 ignores them on a bucket.
        assert!(bucket("bucket-owner-read").unwrap().is_private("ann"));
        assert_eq!(bucket("everybody").unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(bucket("aws-exec-read").unwrap_err().code(), Code::NotImplemented);
        let object = Acl::canned("log-delivery-write", "ann", Of::Object(None));
        assert_eq!(object.unwrap_err().code(), Code::InvalidArgument);
    }

    fn granted(headers: &[(&'static str, &str)]) -> Result<Option<String>, Code> {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let acl = Acl::granted(&headers, &users()).map_err(|error| error.code())?;
        Ok(acl.map(|acl| acl.text()))
    }

    #[test]
    fn headers_grant() {
        assert_eq!(granted(&[]), Ok(None));
        let many = "id=\"ann\", emailAddress=bob@example.com , \
                    uri=http://acs.amazonaws.com/groups/global/AllUsers";
        assert_eq!(
            granted(&[("x-amz-grant-full-control", "id=bob"), ("x-amz-grant-read", many)]),
            Ok(Some("READ =ann;READ =bob;READ all;FULL_CONTROL =bob".to_owned()))
        );
        for (value, code) in [
            ("", Code::InvalidArgument),
            ("ann", Code::InvalidArgument),
            ("id=nobody", Code::InvalidArgument),
            ("uri=http://example.com/", Code::InvalidArgument),
            ("emailAddress=nobody@example.com", Code::UnresolvableGrantByEmailAddress),
        ] {
            assert_eq!(granted(&[("x-amz-grant-write", value)]), Err(code), "{value}");
        }
        let many = vec!["id=ann"; 101].join(",");
        assert_eq!(granted(&[("x-amz-grant-write", &many)]), Err(Code::MalformedACLError));
    }

    #[test]
    fn documents_grant_and_come_back() {
        let text = "READ all;WRITE authenticated;FULL_CONTROL logs;READ_ACP =bob;WRITE_ACP =ann";
        let acl = Acl::parse(text).unwrap();
        let document = acl.document("ann", &users());
        assert!(document.contains("<DisplayName>The bob</DisplayName>"), "{document}");
        assert_eq!(Acl::read(document.as_bytes(), "ann", &users()).unwrap(), acl);
        // Nobody is made an owner by it.
        let other = Acl::read(document.as_bytes(), "bob", &users()).unwrap_err();
        assert_eq!(other.code(), Code::AccessDenied);
        let empty = "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>";
        assert_eq!(Acl::read(empty.as_bytes(), "ann", &users()).unwrap(), Acl::default());
        for (from, to, code) in [
            (">bob<", ">nobody<", Code::InvalidArgument),
            ("READ_ACP", "READ_ALL", Code::MalformedACLError),
            ("groups/global/AllUsers", "groups/global/Some", Code::InvalidArgument),
            (
                "<ID>bob</ID>",
                "<EmailAddress>x@y</EmailAddress>",
                Code::UnresolvableGrantByEmailAddress,
            ),
            ("<ID>bob</ID>", "", Code::MalformedACLError),
            ("<ID>bob</ID>", "<ID>bob</ID><URI>x</URI>", Code::MalformedACLError),
            ("AccessControlList>", "List>", Code::MalformedACLError),
            ("<AccessControlPolicy", "<Policy", Code::MalformedACLError),
        ] {
            let wrong = document.replace(from, to);
            assert_ne!(wrong, document, "{from}");
            let error = Acl::read(wrong.as_bytes(), "ann", &users()).unwrap_err();
            assert_eq!(error.code(), code, "{from} {to}");
        }
    }

    #[test]
    fn a_list_gives_what_it_says() {
        let acl = Acl::parse("READ all;WRITE authenticated;FULL_CONTROL =ann").unwrap();
        let gives = |caller, permission| acl.gives(caller, permission, Public::Counts);
        assert!(gives(None, Permission::Read) && !gives(None, Permission::Write));
        assert!(gives(Some("bob"), Permission::Write) && !gives(Some("bob"), Permission::ReadAcp));
        assert!(gives(Some("ann"), Permission::WriteAcp));
        assert!(!acl.gives(Some("bob"), Permission::Read, Public::Ignored));
        assert!(acl.gives(Some("ann"), Permission::Read, Public::Ignored));
        assert!(acl.is_public() && !Acl::private("ann").is_public());
    }

    proptest! {
        #[test]
        fn texts_come_back(
            grants in vec((
                prop_oneof![
                    "[!-~]{1,20}".prop_map(Grantee::User),
                    Just(Grantee::AllUsers),
                    Just(Grantee::AuthenticatedUsers),
                    Just(Grantee::LogDelivery),
                ],
                select(Permission::ALL.to_vec()),
            ), 0..5),
        ) {
            let acl = Acl { grants };
            prop_assert_eq!(Acl::parse(&acl.text()), Some(acl));
        }
    }
}
