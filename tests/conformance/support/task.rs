use tokio::task::JoinHandle;

/// A task that ends with this.
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
