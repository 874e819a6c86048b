//! What real users met, one test each.
