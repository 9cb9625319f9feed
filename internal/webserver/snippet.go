package webserver

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mode is what becomes of visitors over HTTP.
type Mode string

// The modes.
const (
	AddTLS   Mode = "add"   // HTTPS beside HTTP
	ForceTLS Mode = "force" // HTTP sends visitors to HTTPS
	OnlyTLS  Mode = "only"  // HTTP answers CAs alone
)

// Wish is what snippets are to do for a site.
type Wish struct {
	Mode     Mode
	Pairs    []KeyFiles // one for each type of key
	Answers  string     // folder with answers for CAs; "" where nothing is answered here
	Fallback string     // "host" or "host:port" that is asked for answers that are not there, of nginx
	HSTS     time.Duration
	Status   string // "host:port" of Certkeep's status listener, for the certificate-status of the site; "" has none
	Mark     string // file that is there while Pairs are placeholders; "" where there is none
	Staple   string // file with the OCSP response, of nginx; "" staples nothing
	Command  string // by which the snippets are written, with its options: what their first line says

	HTTP, TLS int // ports at which visitors of 80 and 443 arrive

	Others []Host // all that there are, as administrators wrote them
	Now    []Host // and as the servers have them
}

// Snippet is a file for a server to include, and where.
type Snippet struct {
	Server string
	Name   string // of the file
	Text   string
	Places []Place
}

// Place is a virtual host that is to include a snippet as its first line, or
// where no host is named, the server as a whole.
type Place struct {
	Host *Host
	// TakeOut says what cannot stay in the host once it includes the snippet, ""
	// where all can: then the line must not come alone.
	TakeOut string
	// Words say what has to be done instead of or beside the one line; "" where
	// that is all.
	Words string
}

// Snippets are the files of a site for one of its servers. The hosts are as
// the administrator wrote them: see Without.
func Snippets(s Site, server string, w Wish) []Snippet {
	var plain, secure []Host
	for _, h := range s.Hosts {
		switch {
		case h.Server != server:
		case h.TLS(), server == Apache && h.listensAt(w.TLS): // whose SSLEngine may stand in our snippet alone
			secure = append(secure, h)
		default:
			plain = append(plain, h)
		}
	}
	if server == Apache {
		return apacheSnippets(s, plain, secure, w)
	}
	return nginxSnippets(s, plain, secure, w)
}

// Mark begins every snippet, and whatever else a command writes for a web
// server. A file that does not begin so is somebody's own.
const Mark = "# Written by `certkeep webserver "

// Head is the first line of what a command of `certkeep webserver` writes. It
// says nothing that would change while the file does not.
func Head(command string) string { return Mark + command + "`, which writes it anew." }

// CommandOf is the command that a file was written by, as its first line says.
// It is not found where that line is another one.
func CommandOf(text string) (command string, found bool) {
	line, _, _ := strings.Cut(text, "\n")
	rest, found := strings.CutPrefix(line, Mark)
	if !found {
		return "", false
	}
	command, after, found := strings.Cut(rest, "`")
	return command, found && strings.HasPrefix(after, ", which writes it anew.")
}

// head is how a snippet begins.
func head(w Wish, what string) string { return Head(w.Command) + "\n# " + what + "\n" }

// places are the hosts that include a snippet, maybe one with certificates.
func places(hosts []Host, w Wish, certificates bool) []Place {
	var found []Place
	for _, h := range hosts {
		found = append(found, Place{Host: &h, TakeOut: h.takeOut(w, certificates)})
	}
	return found
}

// besides adds words to places.
func besides(places []Place, words string) []Place {
	for i := range places {
		places[i].Words = strings.Join(slices.DeleteFunc([]string{places[i].Words, words}, func(s string) bool { return s == "" }), "; ")
	}
	return places
}

func (h Host) listensAt(port int) bool {
	return slices.ContainsFunc(h.Addresses, func(a Address) bool { return a.Port == port })
}

// listensPlainly reports whether hosts listen where visitors of HTTP arrive.
func listensPlainly(hosts []Host, port int) bool { return len(at(hosts, port, false)) > 0 }

// unlessTaken is said where a host for HTTP is proposed beside one that visitors
// over HTTP do not arrive at: what lies ahead of it may be another program.
func unlessTaken(w Wish) string {
	return fmt.Sprintf("leave it out if another program has port %d: listen.outside of the config then says at which port here its visitors arrive", w.HTTP)
}

// quoted is a path for a configuration: both servers take double quotes, with
// a backslash before those within.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// challengePath is where CAs look, RFC 8555 section 8.3.
const challengePath = "/.well-known/acme-challenge/"

// statusPath is where mod_md's users look for a site's certificate.
const statusPath = "/.httpd/certificate-status"

// waitPath is what nginx turns requests into while a placeholder is shown.
const waitPath = "/.well-known/certkeep-wait"
