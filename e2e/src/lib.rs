//! Scenarios that run on the lab and on real OpenStack clouds alike, and the rules of the house
//! that a machine can check. Everything is in `tests/`.
