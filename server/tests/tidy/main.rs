//! The house rules as tests: what can be checked is a test, not a sentence. Each failure says the rule and its reason.

mod arrows;
mod licences;
mod shape;
mod source;
mod sql;
mod texts;
mod web;
