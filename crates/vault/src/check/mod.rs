//! Proving that what is stored is whole, without the site it came from.
//!
//! A [`Prover`] proves archives: every fragment is read, opened, inflated and hashed, and what they make is taken apart:
//! a tar stream member by member against the manifest, a text section by section by a [`TextCheck`]. [`vault`] proves
//! all objects of a vault, pack by pack, and tells what each damage hits. Both look on and change nothing; what they
//! found damaged is for [`Vault::note_damage`](crate::Vault::note_damage), so that it heals.
//!
//! What is wrong is a value ([`Problem`]), not an error: an error means that the check itself could not go on. Whatever
//! looks wrong is read once more before it counts, and a store that does not answer at all is an error, never damage.
//!
//! Start reading at [`Prover::archive`], then `stream.rs` and `piece.rs`.

mod archive;
mod hits;
mod objects;
mod packs;
mod piece;
mod pool;
mod problem;
mod stream;
mod text;
mod tree;
mod untar;
mod vault;

pub use archive::{ArchiveJob, ArchiveProof, Prover};
pub use problem::{HITS_MAX, Hit, PROBLEMS_MAX, Problem, Problems, SUBJECTS_MAX};
pub use text::{SectionCheck, TextCheck};
pub use vault::{Depth, VaultProof, vault, vaults};
