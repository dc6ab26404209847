"""The page of a book: asks details and reviews, and shows what they answer or that they did not.

Flask serves it, and requests asks the others: paths, headers, environment variables and pages are
those of `bookinfo productpage`.
"""

import http.cookiejar
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, unquote, urlsplit

import requests
from flask import Flask, Response, jsonify, make_response, redirect, render_template, request

# Seconds that each call may take, and how often reviews are asked before the page does without.
TIMEOUT = 3.0
REVIEW_ATTEMPTS = 2
# Most extra calls of reviews per page, and how many of them run at once.
MAX_FLOOD = 1000
FLOOD_THREADS = 16
MAX_USER = 64

BOOK = 0
PRODUCT = {"id": BOOK, "title": "The Comedy of Errors"}
SORRY = "Sorry, product {} are currently unavailable for this book."

# What is handed on, so that a request keeps its trace and its credentials on the whole way.
FORWARDED = (
    "x-request-id", "x-ot-span-context", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
    "x-b3-sampled", "x-b3-flags", "b3", "traceparent", "tracestate", "x-cloud-trace-context",
    "grpc-trace-bin", "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
    "sw8", "user-agent", "cookie", "authorization", "jwt",
)  # fmt: skip

app = Flask(__name__)
app.url_map.strict_slashes = False
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}


class Unavailable(Exception):
    """A service did not do what it was asked."""

    def __init__(self, status, what):
        super().__init__(what)
        self.status = status
        self.text = SORRY.format(what)


def base_url(service):
    """Where a service is called: `<SERVICE>_HOSTNAME`, `SERVICES_DOMAIN`, `<SERVICE>_SERVICE_PORT`."""
    host = os.environ.get(f"{service.upper()}_HOSTNAME", service)
    domain = os.environ.get("SERVICES_DOMAIN")
    port = int(os.environ.get(f"{service.upper()}_SERVICE_PORT", "9080"))
    return f"http://{host}.{domain}:{port}" if domain else f"http://{host}:{port}"


URLS = {service: base_url(service) for service in ("details", "reviews", "ratings")}
FLOOD = min(int(os.environ.get("FLOOD_FACTOR", "0")), MAX_FLOOD)
flood = ThreadPoolExecutor(FLOOD_THREADS)
local = threading.local()


def session():
    """Connections that are kept and used again, of one thread: a session is not safe for several."""
    if not hasattr(local, "session"):
        local.session = requests.Session()
        # What one visitor is told to remember is not for the next one.
        local.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return local.session


def ask(service, book, headers):
    """The JSON of a service's answer."""
    try:
        answer = session().get(f"{URLS[service]}/{service}/{book}", headers=headers, timeout=TIMEOUT)
        if answer.status_code != 200:
            raise Unavailable(answer.status_code, service)
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        app.logger.warning("%s did not answer: %s", service, error)
        raise Unavailable(500, service) from error


def ask_reviews(book, headers):
    """As `ask`, and once more when that failed."""
    for attempt in range(1, REVIEW_ATTEMPTS + 1):
        try:
            return ask("reviews", book, headers)
        except Unavailable:
            if attempt == REVIEW_ATTEMPTS:
                raise


def forget(book, headers):
    """One call of a flood."""
    try:
        ask("reviews", book, headers)
    except Unavailable:
        pass


def is_name(user):
    return 1 <= len(user) <= MAX_USER and user.isprintable()


def signed_in():
    """Who is signed in. The visitor could have written the cookie himself: users prove nothing."""
    user = unquote(request.cookies.get("session", ""))
    return user if is_name(user) else None


def handed_on():
    """The headers for the services behind; the session alone names the user."""
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    if user := signed_in():
        headers["end-user"] = user.encode()
    return headers


@app.get("/")
@app.get("/index.html")
def index():
    return render_template("index.html")


@app.get("/health")
def health():
    return Response("Product page is healthy", mimetype="text/plain")


@app.get("/productpage")
def page():
    headers = handed_on()
    for _ in range(FLOOD):
        flood.submit(forget, BOOK, headers)
    parts = {}
    for name, call in (("details", lambda: ask("details", BOOK, headers)),
                       ("reviews", lambda: ask_reviews(BOOK, headers))):  # fmt: skip
        try:
            parts[name] = call()
        except Unavailable as error:
            parts[f"no_{name}"] = error.text
    return render_template("productpage.html", product=PRODUCT, user=signed_in(), **parts)


@app.get("/api/v1/products")
def products():
    return jsonify([{**PRODUCT, "descriptionHtml": render_template("summary.html")}])


@app.get("/api/v1/products/<int:book>")
def details(book):
    return jsonify(ask("details", book, handed_on()))


@app.get("/api/v1/products/<int:book>/reviews")
def reviews(book):
    return jsonify(ask_reviews(book, handed_on()))


@app.get("/api/v1/products/<int:book>/ratings")
def ratings(book):
    return jsonify(ask("ratings", book, handed_on()))


@app.post("/login")
def login():
    """Signs in whoever asks: the password is ignored, as in Istio's sample."""
    if "username" not in request.form:
        return jsonify(error="the form has no username"), 400
    user = request.form["username"].strip()
    if not is_name(user):
        why = "a username has 1 to 64 characters, none of them a control character"
        return jsonify(error=why), 400
    answer = back()
    answer.set_cookie("session", quote(user, safe="-_."), httponly=True, samesite="Lax")
    return answer


@app.get("/logout")
def logout():
    answer = back()
    answer.delete_cookie("session", httponly=True, samesite="Lax")
    return answer


def back():
    """Goes to where the visitor came from, on this site."""
    came = urlsplit(request.headers.get("referer", ""))
    place = came._replace(scheme="", netloc="", fragment="").geturl()
    # `//host/` would be another site, and so, to some browsers, would `/\host/`.
    stays = place.startswith("/") and not place.startswith("//") and "\\" not in place
    return make_response(redirect(place if stays else "/productpage"))


@app.errorhandler(Unavailable)
def unavailable(error):
    return jsonify(error=error.text), error.status


@app.errorhandler(404)
def not_found(_error):
    return Response("no such page\n", status=404, mimetype="text/plain")


@app.errorhandler(405)
def method_not_allowed(_error):
    return Response("method not allowed\n", status=405, mimetype="text/plain")


@app.errorhandler(413)
def too_large(_error):
    return Response("body too long or cut off\n", status=413, mimetype="text/plain")
