//! The ids of the blocks of an object that was made of parts. They carry what ETag and checksum of
//! the parts were, so that the object's block list is its part table.

use crate::azure::BlockId;
use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
use crate::s3::names::PartNumber;

/// What the ids of this form begin with.
const FORM: u8 = b'p';
/// Random bytes that make the ids of an attempt its own.
pub const NONCE_BYTES: usize = 10;
const MD5_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 32;

/// One block of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartBlock {
    /// The part.
    pub number: PartNumber,
    /// Which of its blocks, counted from nought.
    pub index: u16,
    /// What the part's ETag says.
    pub md5: [u8; MD5_BYTES],
    /// The part's checksum.
    pub checksum: Option<Checksum>,
    /// Of the attempt: no other's block has this id.
    pub nonce: [u8; NONCE_BYTES],
}

impl PartBlock {
    /// The id: form, number, index, MD5, algorithm, checksum, nonce; 64 bytes.
    pub fn id(&self) -> Option<BlockId> {
        let mut bytes = Vec::with_capacity(BlockId::BYTES_MAX);
        bytes.push(FORM);
        bytes.extend(self.number.get().to_be_bytes());
        bytes.extend(self.index.to_be_bytes());
        bytes.extend(self.md5);
        bytes.push(self.checksum.map_or(0, |checksum| code(checksum.algorithm())));
        let mut padded = [0; CHECKSUM_BYTES];
        if let Some(checksum) = &self.checksum {
            padded.iter_mut().zip(checksum.value()).for_each(|(to, from)| *to = *from);
        }
        bytes.extend(padded);
        bytes.extend(self.nonce);
        BlockId::new(&bytes)
    }

    /// What an id says; nothing if it is not one of these.
    pub fn read(id: &BlockId) -> Option<Self> {
        let (form, rest) = id.bytes().split_first()?;
        let (number, rest) = rest.split_first_chunk::<2>()?;
        let (index, rest) = rest.split_first_chunk::<2>()?;
        let (md5, rest) = rest.split_first_chunk::<MD5_BYTES>()?;
        let (algorithm, rest) = rest.split_first()?;
        let (value, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(rest).ok()?;
        let checksum = match algorithm {
            0 => None,
            code => {
                let algorithm = algorithm_of(*code)?;
                Some(Checksum::new(algorithm, value.get(..algorithm.length())?)?)
            }
        };
        (*form == FORM).then_some(Self {
            number: PartNumber::new(u16::from_be_bytes(*number))?,
            index: u16::from_be_bytes(*index),
            md5: *md5,
            checksum,
            nonce,
        })
    }
}

/// The parts that a list of blocks is made of, each with its length, in order; nothing if a block is
/// none of a part.
pub fn parts_of(blocks: &[(BlockId, u64)]) -> Option<Vec<(PartBlock, u64)>> {
    let mut parts: Vec<(PartBlock, u64)> = Vec::new();
    for (id, length) in blocks {
        let block = PartBlock::read(id)?;
        match parts.last_mut() {
            Some((last, total)) if last.number == block.number => {
                *total = total.saturating_add(*length);
            }
            _ => parts.push((block, *length)),
        }
    }
    Some(parts)
}

fn code(algorithm: ChecksumAlgorithm) -> u8 {
    match algorithm {
        ChecksumAlgorithm::Crc32 => 1,
        ChecksumAlgorithm::Crc32c => 2,
        ChecksumAlgorithm::Crc64Nvme => 3,
        ChecksumAlgorithm::Sha1 => 4,
        ChecksumAlgorithm::Sha256 => 5,
    }
}

fn algorithm_of(wanted: u8) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL.into_iter().find(|algorithm| code(*algorithm) == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{PartBlock, parts_of};
    use crate::azure::BlockId;
    use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
    use crate::s3::names::PartNumber;

    fn block(number: u16, index: u16) -> PartBlock {
        let number = PartNumber::new(number).unwrap();
        PartBlock { number, index, md5: [3; 16], checksum: None, nonce: [9; 10] }
    }

    #[test]
    fn blocks_of_one_part_are_one_part() {
        let blocks = [(1, 0, 5), (1, 1, 5), (3, 0, 7), (10_000, 0, 1)];
        let ids =
            blocks.map(|(number, index, length)| (block(number, index).id().unwrap(), length));
        let parts = parts_of(&ids).unwrap();
        let told: Vec<_> =
            parts.iter().map(|(part, length)| (part.number.get(), *length)).collect();
        assert_eq!(told, [(1, 10), (3, 7), (10_000, 1)]);
    }

    #[test]
    fn a_block_of_another_tool_is_of_no_part() {
        let ours = (block(1, 0).id().unwrap(), 1);
        for other in [vec![b'p'; 64], vec![0; 64], vec![b'p'; 63]] {
            let other = (BlockId::new(&other).unwrap(), 1);
            assert_eq!(parts_of(&[ours.clone(), other]), None);
        }
    }

    fn checksums() -> impl Strategy<Value = Checksum> {
        (select(ChecksumAlgorithm::ALL.to_vec()), any::<[u8; 32]>()).prop_map(
            |(algorithm, bytes)| Checksum::new(algorithm, &bytes[..algorithm.length()]).unwrap(),
        )
    }

    proptest! {
        #[test]
        fn a_block_tells_its_part(
            number in 1..=10_000_u16, index in any::<u16>(), md5 in any::<[u8; 16]>(),
            checksum in option::of(checksums()), nonce in any::<[u8; 10]>(),
        ) {
            let number = PartNumber::new(number).unwrap();
            let block = PartBlock { number, index, md5, checksum, nonce };
            let id = block.id().unwrap();
            prop_assert_eq!(id.bytes().len(), 64);
            prop_assert_eq!(PartBlock::read(&id), Some(block));
        }
    }
}
