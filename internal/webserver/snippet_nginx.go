package webserver

import (
	"fmt"
	"slices"
	"strings"
)

// nginxSnippets are one for the hosts that speak TLS, or are to, and one for
// those that speak HTTP beside them.
func nginxSnippets(s Site, plain, secure []Host, w Wish) []Snippet {
	if len(secure) == 0 {
		return nginxOne(s, plain, w)
	}
	var found []Snippet
	answers := nginxAnswers(w, secure)
	if listensPlainly(secure, w.HTTP) {
		answers = nginxBoth(w, secure, nginxRest(w))
	} else {
		answers = nginxSecure(w, secure) + answers + nginxWaits(w)
	}
	found = append(found, Snippet{
		Server: Nginx, Name: s.Name + ".conf", Places: places(secure, w, true),
		Text: head(w, "For the server block of the site that speaks TLS, as its first line.") + nginxPairs(w) + answers,
	})
	switch {
	case listensPlainly(plain, w.HTTP) && nginxAnswers(w, plain)+nginxRest(w) == "": // nothing to say there
	case listensPlainly(plain, w.HTTP):
		found = append(found, Snippet{
			Server: Nginx, Name: s.Name + "-http.conf", Places: places(plain, w, false),
			Text: head(w, "For the server block of the site that speaks HTTP, as its first line.") + nginxAnswers(w, plain) + nginxRest(w),
		})
	case !listensPlainly(secure, w.HTTP) && w.Answers != "":
		found = append(found, nginxPort(s, nginxOwn(secure, w.TLS, true), w))
	}
	return found
}

// nginxOne has the block of a site that speaks HTTP alone speak both. Where it
// is not what visitors over HTTP arrive at, it sends nobody on: whoever asks it
// speaks TLS with them, maybe.
func nginxOne(s Site, plain []Host, w Wish) []Snippet {
	at, rest := reach(Nginx, nginxOwn(plain, w.HTTP, false), w.TLS, w.Others), ""
	facing := listensPlainly(plain, w.HTTP)
	if facing {
		rest = nginxRest(w)
	}
	text := head(w, "For the server block of the site, as its first line.") + nginxNames(s) + nginxImplied(plain) + nginxListens(at, " ssl") + nginxPairs(w) + nginxBoth(w, plain, rest)
	found := []Snippet{{Server: Nginx, Name: s.Name + ".conf", Text: text, Places: besides(places(plain, w, true), restarts(at, w.Now))}}
	if !facing && w.Answers != "" && len(at) > 0 {
		port := nginxPort(s, nginxOwn(plain, w.HTTP, false), w)
		besides(port.Places, unlessTaken(w))
		found = append(found, port)
	}
	return found
}

// nginxNames are those that a block has only by our word.
func nginxNames(s Site) string {
	if !s.Given {
		return ""
	}
	return "server_name " + strings.Join(s.Names, " ") + ";\n"
}

// nginxOwn are the addresses of hosts where visitors arrive at a port, or, where
// they arrive at none, all. Unix sockets have no port that would have a sibling.
func nginxOwn(hosts []Host, port int, isTLS bool) []Address {
	own := at(hosts, port, isTLS)
	arrive := len(own) > 0
	for _, h := range hosts {
		for _, a := range h.Addresses {
			if a.Port != 0 && a.TLS == isTLS && !arrive {
				own = append(own, a)
			}
		}
	}
	return own
}

// nginxImplied is what a block without any listen listens at, as long as nobody
// adds one.
func nginxImplied(plain []Host) string {
	if slices.ContainsFunc(plain, func(h Host) bool { return len(all(h.block, "listen")) == 0 }) {
		return "listen 80;\n"
	}
	return ""
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func nginxPairs(w Wish) string {
	var lines []string
	for _, p := range w.Pairs {
		lines = append(lines, "ssl_certificate "+quoted(p.Certificate)+";", "ssl_certificate_key "+quoted(p.Key)+";")
	}
	if w.Staple != "" {
		lines = append(lines, "ssl_stapling on;", "ssl_stapling_file "+quoted(w.Staple)+";")
	}
	return joined(lines)
}

// nginxSecure is what is said over TLS alone.
func nginxSecure(w Wish, hosts []Host) string {
	if w.HSTS == 0 {
		return ""
	}
	return nginxHeaders(hosts) + fmt.Sprintf("add_header Strict-Transport-Security \"max-age=%d\" always;\n", seconds(w.HSTS))
}

// nginxHeaders repeats the headers that a block has from around it: it has them
// only as long as it adds none of its own.
func nginxHeaders(hosts []Host) string {
	var lines []string
	for _, h := range hosts {
		if len(all(h.block, "add_header")) > 0 {
			continue
		}
		for _, d := range all(h.outer, "add_header") {
			line := "add_header"
			for _, arg := range d.args {
				line += " " + quoted(arg)
			}
			if !slices.Contains(lines, line+";") {
				lines = append(lines, line+";")
			}
		}
	}
	return joined(lines)
}

// nginxBoth is for a block that speaks both: HSTS is for TLS alone (RFC 6797
// section 7.2). A header with an empty value is none.
func nginxBoth(w Wish, hosts []Host, rest string) string {
	text := ""
	if w.HSTS != 0 {
		text = nginxHeaders(hosts) + fmt.Sprintf(`set $certkeep_hsts "";
if ($scheme = https) { set $certkeep_hsts "max-age=%d"; }
add_header Strict-Transport-Security $certkeep_hsts always;
`, seconds(w.HSTS))
	}
	return text + nginxAnswers(w, hosts) + rest + nginxWaits(w)
}

// nginxWaits sends visitors over HTTPS away while the mark of the placeholder is
// there. CAs have had their answers before, by a break. The header has a location
// of its own: in the server block it would end those from around that.
func nginxWaits(w Wish) string {
	if w.Mark == "" {
		return ""
	}
	return fmt.Sprintf(`
# Until a CA has signed: a placeholder is shown.
set $certkeep_mark "";
if (-f %[1]s) { set $certkeep_mark $https; }
if ($certkeep_mark) { rewrite ^ %[2]s last; }
location = %[2]s {
    internal;
    add_header Retry-After 60 always;
    return 503;
}
`, quoted(w.Mark), waitPath)
}

// nginxAnswers shows what lies there for CAs. The break ends what rewrites of
// the block would do to such a request; what it says of passwords and addresses
// is overruled.
func nginxAnswers(w Wish, hosts []Host) string {
	var b strings.Builder
	if w.Answers != "" {
		request := ""
		if slices.ContainsFunc(hosts, func(h Host) bool { return len(h.inherited("auth_request")) > 0 }) {
			request = "    auth_request off;\n"
		}
		fmt.Fprintf(&b, `
# CAs look here, ahead of all that the server block does to others.
if ($uri ~ "^/\.well-known/acme-challenge/") { break; }
location ^~ %s {
    alias %s;
    default_type text/plain;
    auth_basic off;
%s    allow all;
`, challengePath, quoted(strings.TrimSuffix(w.Answers, "/")+"/"), request)
		if w.Fallback != "" {
			fmt.Fprintf(&b, `    error_page 404 = @certkeep_fallback;
}
location @certkeep_fallback {
    auth_basic off;
%s    allow all;
    proxy_pass http://%s;
    proxy_set_header Host $host;
`, request, w.Fallback)
		}
		b.WriteString("}\n")
	}
	if w.Status != "" {
		fmt.Fprintf(&b, `
if ($uri = %[1]s) { break; }
location = %[1]s {
    auth_basic off;
    allow all;
    proxy_pass http://%[2]s%[1]s/$server_name;
}
`, statusPath, w.Status)
	}
	return b.String()
}

// nginxRest is what becomes of everybody else over HTTP. Clients may turn a POST
// into a GET after 301, not after 308 (RFC 9110 section 15.4.9). What lies in
// /.well-known/ is asked for over HTTP by more than CAs.
func nginxRest(w Wish) string {
	switch w.Mode {
	case ForceTLS:
		return `
set $certkeep_by $scheme;
if ($request_method !~ "^(GET|HEAD)$") { set $certkeep_by "$scheme, to be kept"; }
if ($uri ~ "^/\.well-known/") { set $certkeep_by ""; }
if ($certkeep_by = "http") { return 301 https://$host$request_uri; }
if ($certkeep_by = "http, to be kept") { return 308 https://$host$request_uri; }
`
	case OnlyTLS:
		return "\nif ($scheme = http) { return 404; }\n"
	}
	return ""
}

// nginxPort is a server for HTTP of a site that has none.
func nginxPort(s Site, own []Address, w Wish) Snippet {
	at := reach(Nginx, own, w.HTTP, w.Others)
	text := head(w, "A server of its own for HTTP, where the site has none. For the http block.") +
		"server {\n" + nginxListens(at, "") + fmt.Sprintf("server_name %s;\n", strings.Join(s.Names, " ")) + nginxAnswers(w, nil)
	if w.Mode == ForceTLS {
		text += nginxRest(w)
	}
	text += "\nlocation / { return 404; }\n}\n"
	return Snippet{Server: Nginx, Name: s.Name + "-http.conf", Text: text, Places: besides([]Place{{}}, restarts(at, w.Now))}
}
