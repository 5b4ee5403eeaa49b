//! Asking and what follows: recommendations, classifications, nearest items, routes and feedback.

pub mod classify;
pub mod feedback;
mod questionnaire;
pub mod recommend;
pub mod route;
pub mod routing;
pub mod similar;
