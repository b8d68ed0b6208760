//! Tools for tests of the whole.
