//! Owns the list of what is wrong with a request, so that a caller hears of everything at once.
//!
//! It knows fields by their paths, and nothing of what they mean.

use std::fmt;

use ambidex::tonic_types::FieldViolation;

use crate::error::ShopError;

/// What is wrong with a request, field by field.
#[derive(Debug, Default, Clone)]
pub struct Violations(Vec<FieldViolation>);

impl Violations {
    /// One violation by itself.
    pub fn of(field: &str, description: impl fmt::Display) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    pub fn add(&mut self, field: &str, description: impl fmt::Display) {
        self.0.push(FieldViolation::new(field, description.to_string()));
    }

    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The same of a message that stands in the field `outer` of another.
    pub fn within(mut self, outer: &str) -> Self {
        for violation in &mut self.0 {
            violation.field = format!("{outer}.{}", violation.field);
        }
        self
    }

    /// The value, unless it could not be read, in which case the field has a violation more.
    pub fn note<T>(&mut self, field: &str, read: Result<T, impl fmt::Display>) -> Option<T> {
        read.map_err(|error| self.add(field, error)).ok()
    }

    /// Fails if there is any.
    pub fn into_result(self) -> Result<(), ShopError> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the details of a status have them.
    pub fn into_fields(self) -> Vec<FieldViolation> {
        self.0
    }
}

/// All of them in a line.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FieldViolation { field, description, .. }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field} {description}")?;
        }
        Ok(())
    }
}
