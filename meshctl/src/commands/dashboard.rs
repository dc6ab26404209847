//! `meshctl dashboard`: pages of the mesh on a port of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::ValueEnum;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};

use crate::cli::Global;
use crate::error::CommandError;
use crate::plane::name::ProxyName;
use crate::plane::pages::Pages;
use crate::plane::{Plane, Where};
use crate::ui::Ui;

const HELP: &str = "\
Examples:
  meshctl dashboard mixer
  meshctl dashboard pilot --port 15014
  meshctl dashboard proxy web-7d4b9c-x2x9k.shop

The pages are there until Ctrl-C. Those of a local mesh are on this machine already: their address is
printed.";

/// Open pages of the mesh on a port of this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct DashboardArgs {
    /// Whose pages
    whose: Whose,
    /// Of proxy: which one
    #[arg(required_if_eq("whose", "proxy"))]
    name: Option<String>,
    /// The port on this machine [default: any that is free]
    #[arg(
        short,
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,
    /// The address on this machine
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    #[command(flatten)]
    at: Where,
}

/// Whose pages are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// The metrics and the graph of the whole mesh.
    Mixer,
    /// What pilot knows of configuration and proxies.
    Pilot,
    /// Citadel's metrics.
    Citadel,
    /// The admin pages of a proxy.
    Proxy,
}

/// Opens pages, and keeps them open.
pub(crate) async fn run(global: &Global, args: DashboardArgs, ui: &Ui) -> Result<(), CommandError> {
    let plane = Plane::find(global, &args.at).await?;
    let pages = match (args.whose, &args.name) {
        (Whose::Proxy, Some(name)) => {
            let name = ProxyName::parse(name, global.namespace.as_deref())?;
            plane.proxy(&name).await?.pages
        }
        (Whose::Proxy, None) => return Err(CommandError::usage("dashboard proxy: name one")),
        (Whose::Mixer, _) => plane.component("mixer").await?,
        (Whose::Pilot, _) => plane.component("pilot").await?,
        (Whose::Citadel, _) => plane.component("citadel").await?,
    };
    if let Some(address) = pages.address() {
        ui.data(&format!("http://{address}"));
        return Ok(());
    }
    let wanted = SocketAddr::new(args.address, args.port);
    let listener = TcpListener::bind(wanted).await;
    let listener = listener.map_err(|error| {
        CommandError::problem(format!("{wanted}: {error}")).hint("--port and --address name others")
    })?;
    let address = listener.local_addr().map_err(CommandError::problem)?;
    ui.data(&format!("http://{address}"));
    ui.note("Ctrl-C ends it");
    tokio::select! {
        () = serve(&listener, &pages, ui) => Ok(()),
        ended = tokio::signal::ctrl_c() => ended.map_err(CommandError::problem),
    }
}

/// Every connection has a way of its own through the API server; what fails ends that one alone.
async fn serve(listener: &TcpListener, pages: &Pages, ui: &Ui) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                open.push(connect(socket, pages));
            },
            Some(ended) = open.next(), if !open.is_empty() => if let Err(error) = ended {
                ui.error(&error);
            },
        }
    }
}

async fn connect(mut socket: TcpStream, pages: &Pages) -> Result<(), CommandError> {
    let Some(mut forward) = pages.connect().await? else {
        return Ok(());
    };
    // A browser that goes away in between is nobody's fault.
    drop(tokio::io::copy_bidirectional(&mut socket, &mut forward.stream).await);
    Ok(())
}
