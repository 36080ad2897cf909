//! The router.
use super::state::EdgeState;
use axum::Router;
use axum::routing::get;
/// x
pub fn public(edge: EdgeState) -> Router {
    Router::new()
        .route("/ws", get(super::ws::upgrade))
        .with_state(edge)
}
/// x
pub fn staff(edge: EdgeState) -> Router {
    public(edge)
}
/// x
pub fn metrics(edge: EdgeState) -> Router {
    public(edge)
}
