//! Public access block and ownership controls: what a bucket's owner says about all that ACLs and
//! policies may ever grant in it.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>.

use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// Four switches against grants to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "S3's own four switches")]
pub struct PublicAccessBlock {
    /// A new ACL that grants anything to everybody is refused.
    pub block_public_acls: bool,
    /// What ACLs grant to everybody does not count.
    pub ignore_public_acls: bool,
    /// A new policy that is public is refused.
    pub block_public_policy: bool,
    /// A policy that is public counts for the bucket's owner alone.
    pub restrict_public_buckets: bool,
}

const BLOCK: &str = "PublicAccessBlockConfiguration";

impl PublicAccessBlock {
    /// Reads a `PublicAccessBlockConfiguration`; what it does not name is off.
    pub fn read(document: &[u8]) -> Result<Self, Error> {
        let document = xml::read(document, BLOCK)?;
        let mut block = Self::default();
        for child in &document.children {
            // `one` refuses what is there twice.
            document.one(&child.name)?;
            *block.switch(&child.name)? = flag(child)?;
        }
        Ok(block)
    }

    fn switch(&mut self, name: &str) -> Result<&mut bool, Error> {
        match name {
            "BlockPublicAcls" => Ok(&mut self.block_public_acls),
            "IgnorePublicAcls" => Ok(&mut self.ignore_public_acls),
            "BlockPublicPolicy" => Ok(&mut self.block_public_policy),
            "RestrictPublicBuckets" => Ok(&mut self.restrict_public_buckets),
            _ => Err(xml::malformed()),
        }
    }

    /// As a document.
    pub fn write(&self) -> String {
        let mut document = Writer::document(BLOCK);
        document.flag("BlockPublicAcls", self.block_public_acls);
        document.flag("IgnorePublicAcls", self.ignore_public_acls);
        document.flag("BlockPublicPolicy", self.block_public_policy);
        document.flag("RestrictPublicBuckets", self.restrict_public_buckets);
        document.finish(BLOCK)
    }
}

fn flag(element: &Element) -> Result<bool, Error> {
    match element.text.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(xml::malformed()),
    }
}

/// Whose objects are those that others write, and do ACLs count?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The bucket's owner owns every object, and no ACL counts.
    BucketOwnerEnforced,
    /// The bucket's owner owns what is written with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Who writes an object owns it.
    ObjectWriter,
}

const CONTROLS: &str = "OwnershipControls";

impl Ownership {
    /// As in documents and in `x-amz-object-ownership`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The ownership of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter]
            .into_iter()
            .find(|ownership| ownership.name() == name)
    }

    /// Reads an `OwnershipControls`, which has one rule.
    pub fn read(document: &[u8]) -> Result<Self, Error> {
        let document = xml::read(document, CONTROLS)?;
        let rule = document.one("Rule")?.ok_or_else(xml::malformed)?;
        Self::parse(rule.need("ObjectOwnership")?.trim()).ok_or_else(xml::malformed)
    }

    /// Reads `x-amz-object-ownership`.
    pub fn header(value: &str) -> Result<Self, Error> {
        Self::parse(value).ok_or_else(|| {
            Error::new(Code::InvalidArgument)
                .message(format!("Invalid x-amz-object-ownership header: {value}"))
                .detail("ArgumentName", "x-amz-object-ownership")
        })
    }

    /// As a document.
    pub fn write(self) -> String {
        let mut document = Writer::document(CONTROLS);
        document.open("Rule").text("ObjectOwnership", self.name()).close("Rule");
        document.finish(CONTROLS)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ownership, PublicAccessBlock};

    fn block(inside: &str) -> Option<PublicAccessBlock> {
        let document = format!(
            "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             {inside}</PublicAccessBlockConfiguration>"
        );
        PublicAccessBlock::read(document.as_bytes()).ok()
    }

    #[test]
    fn a_block_is_four_switches() {
        assert_eq!(block(""), Some(PublicAccessBlock::default()));
        let some = block(
            "<IgnorePublicAcls>TRUE</IgnorePublicAcls><BlockPublicAcls>false</BlockPublicAcls>",
        );
        let want = PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() };
        assert_eq!(some, Some(want));
        for flags in 0..16 {
            let block = PublicAccessBlock {
                block_public_acls: flags & 1 > 0,
                ignore_public_acls: flags & 2 > 0,
                block_public_policy: flags & 4 > 0,
                restrict_public_buckets: flags & 8 > 0,
            };
            assert_eq!(PublicAccessBlock::read(block.write().as_bytes()).unwrap(), block);
        }
        let twice = "<BlockPublicAcls>true</BlockPublicAcls>".repeat(2);
        for wrong in ["<BlockAll>true</BlockAll>", "<BlockPublicAcls>yes</BlockPublicAcls>", &twice]
        {
            assert_eq!(block(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ownership_is_one_rule() {
        for name in ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"] {
            let ownership = Ownership::header(name).unwrap();
            assert_eq!(Ownership::read(ownership.write().as_bytes()).unwrap(), ownership);
        }
        assert!(Ownership::header("Nobody").is_err());
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        for wrong in ["", "<Rule/>", &rule.repeat(2), &rule.replace("Object", "object")] {
            let document = format!("<OwnershipControls>{wrong}</OwnershipControls>");
            assert!(Ownership::read(document.as_bytes()).is_err(), "{wrong}");
        }
    }
}
