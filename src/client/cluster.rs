//! A cluster seen from outside: its brokers by id, one connection to each that is needed, and what
//! may be repeated is repeated.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::base::signal::Broadcast;
use crate::client::{
    Answer, Backoff, Connection, Endpoint, Error, Metadata, Options, Result, Scope, Topic,
};
use crate::model::{BrokerId, ErrorCode};
use crate::rt;
use crate::wire::message::Api;
use crate::wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};

pub struct Cluster {
    options: Options,
    bootstrap: Vec<Endpoint>,
    /// As the last metadata told.
    brokers: RefCell<BTreeMap<BrokerId, Endpoint>>,
    connections: RefCell<BTreeMap<Seat, Rc<Connection>>>,
    opening: RefCell<BTreeMap<Seat, Rc<Attempt>>>,
}

/// Who a connection is for: nobody knows a bootstrap address' broker id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seat {
    Bootstrap(usize),
    Broker(BrokerId),
}

/// A connection that is being made; whoever else needs it waits here.
#[derive(Default)]
struct Attempt {
    ended: Broadcast,
    result: RefCell<Option<Result<Rc<Connection>>>>,
}

impl Cluster {
    /// Connects to the first of the endpoints that answers. This is not repeated: whoever starts
    /// wants to know at once.
    pub async fn connect(bootstrap: Vec<Endpoint>, options: Options) -> Result<Cluster> {
        assert!(!bootstrap.is_empty(), "a cluster without an address");
        let cluster = Cluster {
            options,
            bootstrap,
            brokers: RefCell::default(),
            connections: RefCell::default(),
            opening: RefCell::default(),
        };
        cluster.any().await?;
        Ok(cluster)
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// A connection to some broker: one that is open, or else the first that can be made.
    pub async fn any(&self) -> Result<Rc<Connection>> {
        let open = |connection: &&Rc<Connection>| connection.is_alive();
        if let Some(open) = self.connections.borrow().values().find(open) {
            return Ok(open.clone());
        }
        let known: Vec<Seat> = self.brokers.borrow().keys().map(|&id| Seat::Broker(id)).collect();
        let bootstrap = (0..self.bootstrap.len()).map(Seat::Bootstrap);
        let mut failure = None;
        for seat in known.into_iter().chain(bootstrap) {
            match self.seated(seat).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("there is a bootstrap address"))
    }

    /// The connection to one broker.
    pub async fn broker(&self, id: BrokerId) -> Result<Rc<Connection>> {
        self.seated(Seat::Broker(id)).await
    }

    async fn seated(&self, seat: Seat) -> Result<Rc<Connection>> {
        let open = self.connections.borrow().get(&seat).cloned();
        if let Some(open) = open.filter(|connection| connection.is_alive()) {
            return Ok(open);
        }
        let under_way = self.opening.borrow().get(&seat).cloned();
        if let Some(attempt) = under_way {
            while attempt.result.borrow().is_none() {
                attempt.ended.wait().await;
            }
            return attempt.result.borrow().clone().expect("just seen");
        }
        let endpoint = match seat {
            Seat::Bootstrap(index) => Some(self.bootstrap[index].clone()),
            Seat::Broker(id) => self.brokers.borrow().get(&id).cloned(),
        };
        let endpoint = endpoint.ok_or_else(|| Error::Unreachable {
            peer: match seat {
                Seat::Broker(id) => format!("broker {id}"),
                Seat::Bootstrap(_) => unreachable!("bootstrap addresses are given"),
            },
            reason: "its address is not known".to_owned(),
        })?;
        let opening = Opening { cluster: self, seat, attempt: Rc::default() };
        self.opening.borrow_mut().insert(seat, opening.attempt.clone());
        let opened = Connection::open(&endpoint, &self.options).await.map(Rc::new);
        if let Ok(connection) = &opened {
            self.connections.borrow_mut().insert(seat, connection.clone());
        }
        *opening.attempt.result.borrow_mut() = Some(opened.clone());
        opened
    }

    /// Asks any broker.
    pub async fn call<A: Api>(&self, request: &A::Request<'_>) -> Result<Answer<A>> {
        self.any().await?.call::<A>(request).await
    }

    /// Asks for metadata once, and remembers the brokers.
    pub async fn metadata(&self, scope: Scope<'_>) -> Result<Metadata> {
        let names = match scope {
            Scope::All => None,
            Scope::None => Some(&[][..]),
            Scope::Topics(names) | Scope::TopicsOrNew(names) => Some(names),
        };
        let topics = names.map(|names| {
            let topic = |&name| MetadataRequestTopic { name: Some(name), ..Default::default() };
            names.iter().map(topic).collect()
        });
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation: matches!(scope, Scope::TopicsOrNew(_)),
            ..Default::default()
        };
        let connection = self.any().await?;
        let answer = connection.call::<crate::wire::messages::metadata::Metadata>(&request).await?;
        let response = answer.decode()?;
        if !response.error_code.is_none() {
            let peer = connection.peer().to_string();
            return Err(Error::refused(peer, response.error_code, None));
        }
        let metadata = Metadata::of(&response);
        let endpoints = metadata.brokers.iter();
        let endpoints = endpoints.map(|(&id, broker)| (id, broker.endpoint.clone())).collect();
        self.remember(endpoints);
        Ok(metadata)
    }

    /// One topic, existing and without error.
    pub async fn topic(&self, name: &str, or_new: bool) -> Result<Topic> {
        let names = [name];
        let scope = if or_new { Scope::TopicsOrNew(&names) } else { Scope::Topics(&names) };
        let mut metadata = self.metadata(scope).await?;
        let subject = format!("topic {name}");
        match metadata.topics.remove(name) {
            Some(topic) if topic.error.is_none() => Ok(topic),
            Some(topic) => Err(Error::refused(subject, topic.error, None)),
            None => Err(Error::refused(subject, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)),
        }
    }

    /// Forgets connections to addresses that a broker no longer has.
    fn remember(&self, endpoints: BTreeMap<BrokerId, Endpoint>) {
        self.connections.borrow_mut().retain(|seat, connection| match seat {
            Seat::Bootstrap(_) => connection.is_alive(),
            Seat::Broker(id) => {
                connection.is_alive() && endpoints.get(id) == Some(connection.peer())
            }
        });
        *self.brokers.borrow_mut() = endpoints;
    }

    /// Repeats what fails in a way that may pass, with growing pauses, for as long as the options
    /// say. Yields the last error otherwise.
    pub async fn retry<T>(&self, attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        self.retry_for(self.options.retry_for, attempt).await
    }

    /// The same with another patience.
    pub async fn retry_for<T>(
        &self,
        patience: Duration,
        mut attempt: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let started = rt::now();
        let mut backoff = Backoff::new(&self.options);
        loop {
            match attempt().await {
                Err(error) if error.is_retriable() && rt::now().since(started) < patience => {
                    backoff.pause().await;
                }
                result => return result,
            }
        }
    }
}

/// Takes the attempt off the list, however it ends: also when whoever made it was cancelled.
struct Opening<'a> {
    cluster: &'a Cluster,
    seat: Seat,
    attempt: Rc<Attempt>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.cluster.opening.borrow_mut().remove(&self.seat);
        self.attempt.result.borrow_mut().get_or_insert_with(|| {
            let reason = "the attempt was given up".to_owned();
            Err(Error::Unreachable { peer: "a broker".to_owned(), reason })
        });
        self.attempt.ended.raise();
    }
}
