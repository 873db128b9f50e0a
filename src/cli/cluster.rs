//! What every command that talks to a cluster shares: where it is, how long to try, and the core on
//! which the client runs.

use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::{serve, units};
use crate::client::{self, Cluster, Endpoint};
use crate::rt::glommio::{Layout, run_cores};

#[derive(Args, Clone)]
pub struct ClusterArgs {
    /// Any broker of the cluster; the others are found through it. Several may be given
    #[arg(
        long,
        short,
        value_name = "HOST:PORT",
        env = "RINGMAIN_BOOTSTRAP",
        hide_env_values = true,
        default_value = "127.0.0.1:9092",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub bootstrap: Vec<Endpoint>,
    /// How long failures that may pass are answered by trying again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Cluster")]
    #[arg(value_parser = units::positive::<u32>, allow_negative_numbers = true)]
    pub timeout: u32,
}

impl ClusterArgs {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// Connects, and runs `main` on a core of its own.
    pub fn run<F, Fut>(&self, main: F) -> Result<(), Failure>
    where
        F: FnOnce(Rc<Cluster>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + 'static,
    {
        serve::check_host(1)?;
        let bootstrap = self.bootstrap.clone();
        let patience = self.timeout();
        let defaults = client::Options::default();
        let options = client::Options {
            client_id: "ringmain-cli".to_owned(),
            connect_timeout: defaults.connect_timeout.min(patience),
            request_timeout: defaults.request_timeout.min(patience),
            retry_for: patience,
            ..defaults
        };
        let (report, outcome) = mpsc::channel();
        let main = Arc::new(Mutex::new(Some((main, bootstrap, options))));
        let cores = run_cores(&Layout::unpinned(1), move |_| {
            let given = main.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            let report = report.clone();
            async move {
                let (main, bootstrap, options) = given.expect("there is one core");
                let result = match Cluster::connect(bootstrap, options).await {
                    Ok(cluster) => main(Rc::new(cluster)).await,
                    Err(error) => Err(error.into()),
                };
                // The process waits for nothing else.
                let _ = report.send(result);
            }
        });
        // Nobody joins the core: a thread of its may still sit in a read of standard input.
        let _cores = cores.map_err(|error| format!("the client's core cannot start: {error}"))?;
        outcome.recv().unwrap_or_else(|_| Err("the client's core ended without a word".into()))
    }
}
