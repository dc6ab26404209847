//! A DNS server that says what a test wants: by UDP, and by TCP where UDP is too small.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata::A};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What fits into a datagram of old.
const DATAGRAM: usize = 512;
/// How long answers are good, in seconds.
const TTL: u32 = 1;

/// What is said of names.
pub(crate) struct Answers(HashMap<String, Said>);

enum Said {
    Addresses(Vec<Ipv4Addr>),
    Failure,
    /// Nothing yet; who asked waits.
    Held(Vec<(SocketAddr, Message)>),
}

/// The server.
pub(crate) struct Server {
    address: SocketAddr,
    socket: Arc<UdpSocket>,
    state: Arc<State>,
}

struct State {
    answers: Mutex<Answers>,
    /// Names that were asked for, and whether by TCP.
    asked: watch::Sender<Vec<(String, bool)>>,
}

impl Answers {
    pub(crate) fn new<const N: usize>(names: [(&str, &[&str]); N]) -> Self {
        let names = names.into_iter();
        Self(
            names
                .map(|(name, addresses)| (name.to_owned(), Said::of(addresses)))
                .collect(),
        )
    }
}

impl Said {
    fn of(addresses: &[&str]) -> Self {
        Self::Addresses(addresses.iter().map(|one| one.parse().unwrap()).collect())
    }
}

impl Server {
    /// Listens on a port of its own; its threads end with the process.
    pub(crate) fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = Arc::new(UdpSocket::bind(address).unwrap());
        let state = Arc::new(State {
            answers: Mutex::new(answers),
            asked: watch::channel(Vec::new()).0,
        });
        let (by_udp, of_udp) = (socket.clone(), state.clone());
        std::thread::spawn(move || of_udp.serve_udp(&by_udp));
        let of_tcp = state.clone();
        std::thread::spawn(move || of_tcp.serve_tcp(&listener));
        Self {
            address,
            socket,
            state,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it says this, also to those who wait.
    pub(crate) fn say(&self, name: &str, addresses: &[&str]) {
        let mut answers = self.state.answers.lock();
        let before = answers.0.insert(name.to_owned(), Said::of(addresses));
        if let Some(Said::Held(waiting)) = before {
            for (client, question) in waiting {
                let answer = answers.to(&question, usize::MAX).unwrap();
                self.socket.send_to(&answer, client).unwrap();
            }
        }
    }

    /// From now on it fails.
    pub(crate) fn fail(&self, name: &str) {
        let mut answers = self.state.answers.lock();
        answers.0.insert(name.to_owned(), Said::Failure);
    }

    /// From now on it lets everybody wait.
    pub(crate) fn hold(&self, name: &str) {
        let mut answers = self.state.answers.lock();
        answers.0.insert(name.to_owned(), Said::Held(Vec::new()));
    }

    /// How often it was asked for a name.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let asked = self.state.asked.borrow();
        asked.iter().filter(|(asked, _)| asked == name).count()
    }

    /// How often it was asked by UDP for a name.
    pub(crate) fn asked_by_udp(&self, name: &str) -> usize {
        let asked = self.state.asked.borrow();
        let by_udp = asked.iter().filter(|(_, by_tcp)| !by_tcp);
        by_udp.filter(|(asked, _)| asked == name).count()
    }

    /// How often it was asked by TCP.
    pub(crate) fn asked_by_tcp(&self) -> usize {
        let asked = self.state.asked.borrow();
        asked.iter().filter(|(_, by_tcp)| *by_tcp).count()
    }

    /// Waits for a question that comes after this.
    pub(crate) async fn was_asked_again(&self, name: &str) {
        let before = self.asked(name);
        let mut asked = self.state.asked.subscribe();
        let is_more = |all: &Vec<(String, bool)>| {
            all.iter().filter(|(asked, _)| asked == name).count() > before
        };
        asked.wait_for(is_more).await.unwrap();
    }
}

impl State {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; DATAGRAM];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = self.answer(&buffer[..length], Some(client)) {
                socket.send_to(&answer, client).unwrap();
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            // One question for each connection will do.
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            if let Some(answer) = self.answer(&question, None) {
                let length = u16::try_from(answer.len()).unwrap();
                let mut whole = length.to_be_bytes().to_vec();
                whole.extend(answer);
                stream.write_all(&whole).unwrap();
            }
        }
    }

    fn answer(&self, question: &[u8], client: Option<SocketAddr>) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let name = question.queries[0].name().to_string();
        let most = if client.is_some() {
            DATAGRAM
        } else {
            usize::MAX
        };
        let answer = {
            let mut answers = self.answers.lock();
            match (answers.0.get_mut(&name), client) {
                (Some(Said::Held(waiting)), Some(client)) => {
                    waiting.push((client, question));
                    None
                }
                _ => answers.to(&question, most),
            }
        };
        self.asked
            .send_modify(|asked| asked.push((name, client.is_none())));
        answer
    }
}

impl Answers {
    fn to(&self, question: &Message, most: usize) -> Option<Vec<u8>> {
        let asked = &question.queries[0];
        let mut answer = Message::new(
            question.metadata.id,
            MessageType::Response,
            question.metadata.op_code,
        );
        answer.add_query(asked.clone());
        match self.0.get(&asked.name().to_string()) {
            Some(Said::Addresses(addresses)) if asked.query_type() == RecordType::A => {
                for address in addresses {
                    let data = RData::A(A(*address));
                    answer.add_answer(Record::from_rdata(asked.name().clone(), TTL, data));
                }
            }
            Some(Said::Addresses(_)) => {}
            Some(Said::Failure) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(Said::Held(_)) => return None,
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        let whole = answer.to_vec().unwrap();
        if whole.len() <= most {
            return Some(whole);
        }
        answer.answers.clear();
        answer.metadata.truncation = true;
        Some(answer.to_vec().unwrap())
    }
}
