//! Bookinfo as its visitors see it: through the ingress gateway.

use mesh_test::eventually;
use mesh_tests::page::{Stars, stars};

use crate::remote::{fetch, post};
use crate::world::{SYSTEM, World};

/// The shop's door.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) address: String,
    cookie: Option<String>,
}

impl Shop {
    /// The ingress gateway's Service, as nobody in particular.
    #[track_caller]
    pub(crate) fn of(world: &World) -> Self {
        Self::in_mesh(world, SYSTEM)
    }

    /// The same, of a mesh in another namespace.
    #[track_caller]
    pub(crate) fn in_mesh(world: &World, root: &str) -> Self {
        let address = world.service(root, "istio-ingressgateway");
        Self {
            address: format!("{address}:80"),
            cookie: None,
        }
    }

    /// A product page without a gateway before it.
    pub(crate) fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cookie: None,
        }
    }

    /// As somebody who logged in.
    #[track_caller]
    pub(crate) fn as_user(&self, name: &str) -> Self {
        let form = format!("username={name}&passwd=x");
        let answered = post(&self.address, "/login", &form).unwrap();
        assert_eq!(answered.status(), 302, "{answered:?}");
        let cookie = answered.headers()["set-cookie"].to_str().unwrap();
        Self {
            address: self.address.clone(),
            cookie: cookie.split(';').next().map(str::to_owned),
        }
    }

    /// One look at the page of the book.
    pub(crate) fn page(&self) -> Result<String, String> {
        let cookie = self.cookie.as_deref().map(|cookie| ("cookie", cookie));
        let headers: Vec<_> = cookie.into_iter().collect();
        let url = format!("http://{}/productpage", self.address);
        let (status, body) = fetch(&url, &headers)?;
        let whole = status == 200 && body.contains("Reviewer1") && body.contains("Publisher");
        whole
            .then_some(())
            .ok_or_else(|| format!("{status}: {body}"))?;
        Ok(body)
    }

    /// Which stars a look shows.
    #[track_caller]
    pub(crate) fn stars(&self) -> Stars {
        stars(&self.page().unwrap())
    }

    /// Waits until the page is whole.
    #[track_caller]
    pub(crate) fn open(&self) {
        eventually("the product page", || self.page());
    }

    /// Waits until forty looks in a row show these stars alone.
    #[track_caller]
    pub(crate) fn only(&self, expected: Stars) {
        eventually("what was applied is in force", || {
            let mut looks = (0..40).map(|_| self.stars());
            looks.find(|seen| *seen != expected).map_or(Ok(()), Err)
        });
    }
}
