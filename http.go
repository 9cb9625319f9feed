package certkeep

import (
	"net"
	"net/http"
	"strings"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/front"
)

// HTTPHandler stands before a site, on port 80, and on 443 too where that is
// to say more than the site does. Challenges of http-01 (RFC 8555 section 8.3)
// are answered first: those that this process was asked, and those whose answer
// another process put into a webroot of the configuration. What it does
// not know is the site's.
//
// Then `listen.http` of the configuration counts: `redirect` sends visitors to
// HTTPS, `hsts` tells browsers to stay there. Over HTTPS, a name whose first
// certificate is on its way answers 503.
//
// Where site is nil, visitors of names that have a certificate are sent to
// HTTPS, and all others get 404.
func (k *Keeper) HTTPHandler(site http.Handler) http.Handler {
	alone := site == nil
	if alone {
		site = http.NotFoundHandler()
	}
	rules := func() front.Rules {
		listen := k.config.Load().Listen.HTTP
		is := front.Rules{HSTS: listen.HSTS, Ours: k.ours, Placeholder: k.waits}
		switch {
		case listen.Redirect == config.Permanent:
			is.Redirect = front.Permanent
		case listen.Redirect == config.Temporary || alone:
			is.Redirect = front.Temporary
		}
		return is
	}
	return front.Handler(rules, k.answer, site)
}

// ours reports whether a certificate is there or wanted for a name.
func (k *Keeper) ours(name string) bool {
	wanted, _ := k.shelf.Of(name)
	return wanted
}

// waits reports whether the certificate that is wanted for a name is not there
// yet.
func (k *Keeper) waits(name string) bool {
	wanted, served := k.shelf.Of(name)
	return wanted && !served
}

// answer shows what a CA asks for.
func (k *Keeper) answer(w http.ResponseWriter, r *http.Request) bool {
	if e := k.engine.Load(); e != nil && e.AnswerHTTP(w, r) {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	cert, known := k.shelf.Named(host)
	if !known {
		return false
	}
	for _, m := range k.config.Load().MethodsFor(cert, host, false) {
		open, pattern := challenge.NewWebroot, m.Webroot
		if m.Folder != "" {
			open, pattern = challenge.NewFolder, m.Folder
		}
		if m.Type != config.MethodHTTP01 || pattern == "" {
			continue
		}
		webroot, err := open(pattern, durable.OS{})
		if err == nil && webroot.Answer(w, r, challenge.Identifier{Value: host, IP: net.ParseIP(host) != nil}) {
			return true
		}
	}
	return false
}
