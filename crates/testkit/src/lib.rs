//! Real servers and sites for tests: started by a test on ports and in folders of their own, and stopped with it.
//!
//! What goes wrong here panics with the reason: a test that can't have its server has failed.
#![allow(clippy::expect_used)]

pub mod mariadb;
pub mod mysql;
pub mod newer;
mod unpacked;
pub mod wordpress;
