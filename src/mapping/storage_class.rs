//! Storage classes and access tiers.

use crate::azure::Tier;
use crate::s3::{Code, Error};

/// A storage class of S3 that the gateway knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageClass {
    /// `STANDARD`
    #[default]
    Standard,
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
    /// `INTELLIGENT_TIERING`
    IntelligentTiering,
    /// `REDUCED_REDUNDANCY`
    ReducedRedundancy,
}

impl StorageClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Standard,
        Self::StandardIa,
        Self::OneZoneIa,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
        Self::IntelligentTiering,
        Self::ReducedRedundancy,
    ];

    /// The class of that name; `InvalidStorageClass` if there is none.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::known(name).ok_or_else(|| {
            Error::new(Code::InvalidStorageClass).detail("StorageClassRequested", name)
        })
    }

    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OneZoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
        }
    }

    /// The tier that an object of this class is put on.
    pub const fn tier(self) -> Tier {
        match self {
            Self::Standard | Self::IntelligentTiering | Self::ReducedRedundancy => Tier::Hot,
            Self::StandardIa | Self::OneZoneIa => Tier::Cool,
            Self::GlacierIr => Tier::Cold,
            Self::Glacier | Self::DeepArchive => Tier::Archive,
        }
    }

    /// The class of an object that was put with `kept` and lies on `tier` now: an Azure tool or a
    /// lifecycle rule may have moved it since.
    pub(super) fn of(kept: Option<Self>, tier: Option<&Tier>) -> Self {
        match (kept, tier) {
            (Some(kept), Some(tier)) if kept.tier() == *tier => kept,
            // An account that has no tiers, or one of a kind that says no more than "premium".
            (Some(kept), None | Some(Tier::Other(_))) => kept,
            (_, Some(Tier::Cool)) => Self::StandardIa,
            (_, Some(Tier::Cold)) => Self::GlacierIr,
            (_, Some(Tier::Archive)) => Self::Glacier,
            (_, None | Some(Tier::Hot | Tier::Other(_))) => Self::Standard,
        }
    }

    pub(super) fn known(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::StorageClass;
    use crate::azure::Tier;
    use crate::s3::Code;

    #[test]
    fn a_class_comes_back_from_its_tier_and_what_was_kept() {
        for class in StorageClass::ALL {
            assert_eq!(StorageClass::parse(class.as_str()).unwrap(), class);
            let kept = (class != StorageClass::Standard).then_some(class);
            assert_eq!(StorageClass::of(kept, Some(&class.tier())), class);
            assert_eq!(StorageClass::of(Some(class), None), class);
        }
    }

    #[test]
    fn an_object_that_was_moved_shows_where_it_is() {
        let of = |kept, tier| StorageClass::of(Some(kept), Some(&tier));
        assert_eq!(of(StorageClass::OneZoneIa, Tier::Hot), StorageClass::Standard);
        assert_eq!(of(StorageClass::IntelligentTiering, Tier::Archive), StorageClass::Glacier);
        assert_eq!(of(StorageClass::DeepArchive, Tier::Archive), StorageClass::DeepArchive);
        assert_eq!(StorageClass::of(None, None), StorageClass::Standard);
        assert_eq!(
            StorageClass::of(None, Some(&Tier::Other("P10".into()))),
            StorageClass::Standard
        );
    }

    #[test]
    fn an_unknown_class_is_refused() {
        for bad in ["", "standard", "OUTPOSTS", "EXPRESS_ONEZONE"] {
            assert_eq!(StorageClass::parse(bad).unwrap_err().code(), Code::InvalidStorageClass);
        }
    }
}
