//! Visitors come in by names and paths that a Gateway and a VirtualService give them, and by no other.

use mesh_test::eventually;

use crate::app::App;
use crate::credentials;
use crate::remote::fetch;
use crate::shop::Shop;
use crate::world::World;

const HERE: &str = "ingress";
/// Beside Bookinfo's gateway, which takes every other host.
const ROUTES: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com, '*.books.example.com']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com, '*.books.example.com']
  gateways: [shop]
  http:
  - match: [{headers: {x-tester: {exact: 'yes'}}}]
    route: [{destination: {host: two}}]
  - match: [{uri: {prefix: /open}}]
    route: [{destination: {host: one}}]
";

pub(crate) fn run(world: &World) {
    world.meshed(HERE);
    App::new(HERE, "one").apply(world);
    App::new(HERE, "two").apply(world);
    world.all_rolled_out(HERE);
    world.cluster.apply_in(HERE, ROUTES);
    let address = Shop::of(world).address;
    let visit = |host: &str, path: &str, tester: bool| {
        let mut headers = vec![("host", host)];
        headers.extend(tester.then_some(("x-tester", "yes")));
        let (status, body) = fetch(&format!("http://{address}{path}"), &headers)?;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let app = part("pod").split('-').next().unwrap_or_default().to_owned();
        Ok::<_, String>((status, app, part("path")))
    };
    let expect = |status: u16, app: &str, path: &str| (status, app.to_owned(), path.to_owned());
    for (host, path, tester, expected) in [
        (
            "shop.example.com",
            "/open/it",
            false,
            expect(200, "one", "/open/it"),
        ),
        (
            "old.books.example.com",
            "/open/it",
            false,
            expect(200, "one", "/open/it"),
        ),
        (
            "shop.example.com",
            "/anything",
            true,
            expect(200, "two", "/anything"),
        ),
        ("shop.example.com", "/closed", false, expect(404, "", "")),
        // Bookinfo's: it has that name, and not this path.
        ("other.example.com", "/open/it", false, expect(404, "", "")),
    ] {
        eventually(&format!("{host}{path}"), || {
            match visit(host, path, tester) {
                Ok(seen) if seen == expected => Ok(()),
                other => Err(other),
            }
        });
    }
    world.kubectl(&["delete", "gateways.networking.istio.io", "shop", "-n", HERE]);
    eventually("it is closed again", || {
        match visit("shop.example.com", "/open/it", false) {
            Ok((404, _, _)) => Ok(()),
            other => Err(other),
        }
    });
    credentials::run(world, HERE);
    Shop::of(world).open();
    world.forget(HERE);
}
