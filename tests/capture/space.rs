//! A network namespace that lives as long as its value.
//!
//! A process holds it, which ends when its input is closed: by us, or by the kernel when the test is
//! killed. So nothing is left behind, whatever happens.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace.
pub(crate) struct Space {
    holder: Child,
    namespace: File,
}

impl Space {
    pub(crate) fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && echo made && exec cat",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        let mut made = String::new();
        let said = holder.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut made).unwrap();
        assert_eq!(made, "made\n", "a network namespace needs root");
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        Self { holder, namespace }
    }

    /// The process that holds it.
    pub(crate) fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// A program that will run in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.holder()))
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs lines of shell in it and gives back what they print.
    #[track_caller]
    pub(crate) fn shell(&self, lines: &str) -> String {
        let ran = self.command("sh").args(["-e", "-c", lines]).output();
        success(&ran.unwrap())
    }

    /// Does something in it, on a thread of its own.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.namespace.as_fd(), network).unwrap();
                act()
            });
            thread.join().unwrap()
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ended = self.holder.wait();
    }
}

/// What a program printed, when it succeeded.
#[track_caller]
pub(crate) fn success(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
