//! The memory engine passes the suite of all engines.

use crosspoint_hub::MemoryEngine;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn passes_the_engine_suite() {
    crosspoint_hub::engine::suite::all(|| MemoryEngine::new(100, "test".into())).await;
}
