//! Two and three nodes on one PostgreSQL and one Redis. Each test prints its figures in lines that begin with `show:`.

mod across;
mod course;
mod holds;
mod killed;
mod postgres;
mod redis_gone;
mod rooms;
