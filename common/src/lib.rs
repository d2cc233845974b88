#![no_std]
//! c
