use super::*;

const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn mk(total: usize, listener: usize, client: Option<usize>) -> Bounds {
    Bounds::new(Most {
        total,
        listener,
        client,
    })
}

#[test]
fn some_files_are_never_given_to_clients() {
    let most = Most::of_files(1024);
    assert_eq!((most.total, most.listener, most.client), (768, 672, None));
    let most = Most::of_files(1);
    assert_eq!((most.total, most.listener), (1, 1));
}

#[tokio::test]
async fn a_full_process_or_listener_waits_for_an_end() {
    for bounds in [mk(1, 9, None), mk(9, 1, None)] {
        let listener = Count::default();
        bounds.wait(&listener, || false).await;
        let first = bounds.admit(&listener, ONE).unwrap();
        assert_eq!(bounds.open(), 1);
        let waiting = bounds.wait(&listener, || false);
        tokio::pin!(waiting);
        assert!(!is_ready(waiting.as_mut()).await);
        drop(first);
        waiting.await;
        assert_eq!(bounds.open(), 0);
    }
}

#[tokio::test]
async fn a_full_listener_leaves_the_others_room() {
    let bounds = mk(9, 1, None);
    let _full = bounds.admit(&Count::default(), ONE).unwrap();
    bounds.wait(&Count::default(), || false).await;
}

#[test]
fn a_client_with_too_many_connections_gets_no_other() {
    let (bounds, listener) = (mk(9, 9, Some(2)), Count::default());
    let first = bounds.admit(&listener, ONE).unwrap();
    let _second = bounds.admit(&listener, ONE).unwrap();
    assert!(bounds.admit(&listener, ONE).is_none());
    assert!(bounds.admit(&listener, OTHER).is_some());
    drop(first);
    assert!(bounds.admit(&listener, ONE).is_some());
}

/// Polls once.
async fn is_ready(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| future.as_mut().poll(context).is_ready().into()).await
}
