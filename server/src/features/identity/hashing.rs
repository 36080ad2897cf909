//! Slow hashes, off the runtime and few at once, so that tries never take the machine from those who talk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

/// Hashes that run at once: each takes 19 MiB and some 20 ms of a core.
const AT_ONCE_MAX: usize = 2;
/// Hashes that run or wait. More would keep people waiting longer than they wait.
const WAITING_MAX: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// Runs slow hashes, on threads of its own: what a hash has freed stays with the thread it ran on, for the next one.
/// On the runtime's many threads for blocking work a flood of tries would leave 19 MiB with each of them.
#[derive(Clone)]
pub(super) struct Hashing {
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// The threads end when the last of these is gone.
    threads: mpsc::Sender<Work>,
}

/// Too many wait already; later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many hashes are waiting")]
pub(super) struct Busy;

impl Hashing {
    pub(super) fn new() -> Self {
        let (threads, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..AT_ONCE_MAX {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(next) = next else {
                        return;
                    };
                    // Whoever waits for it is told by its dropped sender; the thread goes on.
                    let _ = catch_unwind(AssertUnwindSafe(next));
                }
            });
        }
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            running: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            threads,
        }
    }

    /// Another queue for the same turns: whoever fills one keeps nobody out of the other.
    pub(super) fn beside(&self) -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            running: Arc::clone(&self.running),
            threads: self.threads.clone(),
        }
    }

    /// Waits for its turn and runs. The permits move into the closure: a caller that hangs up does not make room for
    /// one more while its hash still runs.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| Busy)?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| Busy)?;
        let (tell, told) = oneshot::channel();
        let work = move || {
            let _held = (place, turn);
            // A caller that hung up wants no answer.
            let _ = tell.send(work());
        };
        self.threads.send(Box::new(work)).map_err(|_| Busy)?;
        told.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_more_than_two_at_once_and_a_full_queue_says_so() {
        let hashing = Hashing::new();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let (now, most, hashing) = (now.clone(), most.clone(), hashing.clone());
                tokio::spawn(async move {
                    hashing
                        .run(move || {
                            most.fetch_max(
                                now.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            std::thread::yield_now();
                            now.fetch_sub(1, Ordering::SeqCst);
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.expect("it ran"), Ok(()));
        }
        assert!(most.load(Ordering::SeqCst) <= AT_ONCE_MAX);
        let _all = hashing
            .waiting
            .acquire_many(u32::try_from(WAITING_MAX).expect("few"))
            .await;
        assert_eq!(hashing.run(|| ()).await, Err(Busy));
        assert_eq!(hashing.beside().run(|| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn work_that_panics_takes_no_thread_with_it() {
        let hashing = Hashing::new();
        for _ in 0..AT_ONCE_MAX + 1 {
            let broken = hashing.run(|| assert_eq!(1, 2, "on purpose")).await;
            assert_eq!(broken, Err(Busy));
        }
        assert_eq!(hashing.run(|| 7).await, Ok(7));
    }
}
