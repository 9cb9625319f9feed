package webserver

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// apacheSnippets are one for the <VirtualHost> that speaks TLS, one for that
// which speaks HTTP: in Apache no host speaks both.
func apacheSnippets(s Site, plain, secure []Host, w Wish) []Snippet {
	tls := Snippet{
		Server: Apache, Name: s.Name + ".conf", Places: places(secure, w, true),
		Text: head(w, "For the <VirtualHost> of the site that speaks TLS, as its first line.") + apachePairs(w) + apacheAnswers(s, w, false),
	}
	if len(secure) == 0 {
		words := fmt.Sprintf("no <VirtualHost> of %s speaks TLS", s.Name)
		if len(plain) > 0 {
			words += fmt.Sprintf(": copy the one at %s:%d, with the port %d in its head", plain[0].File, plain[0].Line, w.TLS)
		}
		tls.Places = []Place{{Words: words + ", and have it begin with this line"}}
	}
	http := Snippet{
		Server: Apache, Name: s.Name + "-http.conf", Places: places(plain, w, false),
		Text: head(w, "For the <VirtualHost> of the site that speaks HTTP, as its first line.") + apacheAnswers(s, w, true),
	}
	if !listensPlainly(plain, w.HTTP) {
		if w.Answers == "" {
			return []Snippet{tls}
		}
		http.Text = head(w, "A <VirtualHost> for HTTP, where the site has none. For the configuration as a whole.") + apachePort(s, append(plain, secure...), w)
		http.Places = []Place{{}}
	} else if apacheAnswers(s, w, true) == "" {
		return []Snippet{tls}
	}
	return []Snippet{tls, http}
}

func apachePairs(w Wish) string {
	var b strings.Builder
	b.WriteString("SSLEngine on\n")
	for _, p := range w.Pairs {
		fmt.Fprintf(&b, "SSLCertificateFile %s\nSSLCertificateKeyFile %s\n", quoted(p.Certificate), quoted(p.Key))
	}
	if w.HSTS != 0 {
		fmt.Fprintf(&b, "<IfModule mod_headers.c>\n    Header always set Strict-Transport-Security \"max-age=%d\"\n</IfModule>\n", seconds(w.HSTS))
	}
	return b.String()
}

// apacheAnswers shows what lies there for CAs. mod_rewrite comes before
// Redirect, ProxyPass and Alias; <If> comes after every <Location>, and so
// overrules what that says of passwords and addresses.
func apacheAnswers(s Site, w Wish, plain bool) string {
	var rules, others, b strings.Builder
	if w.Answers != "" {
		folder := strings.TrimSuffix(w.Answers, "/")
		rules.WriteString("    # CAs look here, ahead of all that the <VirtualHost> does to others.\n")
		fmt.Fprintf(&rules, "    RewriteRule \"^/\\.well-known/acme-challenge/([A-Za-z0-9_-]+)$\" %s [END]\n", quoted(strings.ReplaceAll(folder, "$", `\$`)+"/$1"))
		fmt.Fprintf(&others, `Alias "%[1]s" %[2]s
<Directory %[3]s>
    AllowOverride None
    Options None
    Require all granted
</Directory>
`, challengePath, quoted(folder+"/"), quoted(folder))
		others.WriteString(apacheOpen(`^/\.well-known/acme-challenge/`))
	}
	if w.Status != "" {
		others.WriteString(apacheOpen(`^/\.httpd/certificate-status$`))
		fmt.Fprintf(&rules, "    RewriteRule \"^/\\.httpd/certificate-status$\" \"http://%s%s/%%{SERVER_NAME}\" [P]\n", w.Status, statusPath)
	}
	if w.Mark != "" && !plain {
		fmt.Fprintf(&rules, `    # Until a CA has signed: a placeholder is shown.
    RewriteCond %s -f
    RewriteRule "^" "-" [E=certkeep_wait:60,R=503,END]
`, quoted(strings.NewReplacer("$", `\$`, "%", `\%`).Replace(w.Mark)))
		others.WriteString("<IfModule mod_headers.c>\n    Header always set Retry-After \"60\" env=certkeep_wait\n</IfModule>\n")
	}
	redirect := ""
	switch {
	case plain && w.Mode == ForceTLS:
		rules.WriteString(`    RewriteCond %{REQUEST_METHOD} ^(?:GET|HEAD)$
    RewriteRule "^/(?!\.well-known/)" "https://%{SERVER_NAME}%{REQUEST_URI}" [R=301,END]
    RewriteRule "^/(?!\.well-known/)" "https://%{SERVER_NAME}%{REQUEST_URI}" [R=308,END]
`)
		redirect = fmt.Sprintf("    RedirectMatch 301 \"^/(?!\\.well-known/)(.*)$\" \"https://%s/$1\"\n", s.canonical())
	case plain && w.Mode == OnlyTLS:
		rules.WriteString("    RewriteRule \"^\" \"-\" [R=404,END]\n")
		redirect = "    RedirectMatch 404 \"^/(?!\\.well-known/acme-challenge/)\"\n"
	}
	if rules.Len() > 0 {
		fmt.Fprintf(&b, "<IfModule mod_rewrite.c>\n    RewriteEngine on\n%s</IfModule>\n", rules.String())
	}
	if redirect != "" {
		fmt.Fprintf(&b, "<IfModule !mod_rewrite.c>\n%s</IfModule>\n", redirect)
	}
	return b.String() + others.String()
}

// apachePort is a <VirtualHost> for HTTP of a site that has none, at the
// addresses of those that it has, and wherever others would be chosen instead.
func apachePort(s Site, hosts []Host, w Wish) string {
	var own []Address
	for _, h := range hosts {
		own = append(own, h.Addresses...)
	}
	var b strings.Builder
	b.WriteString("<VirtualHost")
	for _, a := range reach(Apache, own, w.HTTP, w.Others) {
		fmt.Fprintf(&b, " %s", net.JoinHostPort(a.star(), strconv.Itoa(w.HTTP)))
	}
	fmt.Fprintf(&b, ">\nServerName %s\n", s.Names[0])
	if len(s.Names) > 1 {
		fmt.Fprintf(&b, "ServerAlias %s\n", strings.Join(s.Names[1:], " "))
	}
	if w.Mode == AddTLS {
		w.Mode = OnlyTLS // there is no site to show
	}
	b.WriteString(apacheAnswers(s, w, true))
	if w.Mode == ForceTLS { // which is not about what nobody has here
		b.WriteString("<IfModule mod_rewrite.c>\n    RewriteRule \"^\" \"-\" [R=404,END]\n</IfModule>\n")
		b.WriteString("<IfModule !mod_rewrite.c>\n    RedirectMatch 404 \"^/\\.well-known/(?!acme-challenge/)\"\n</IfModule>\n")
	}
	b.WriteString("</VirtualHost>\n")
	return b.String()
}

// apacheOpen lets everybody ask for paths that a pattern is for, whatever the
// <VirtualHost> demands elsewhere.
func apacheOpen(path string) string {
	return `<If "%{REQUEST_URI} =~ m#` + path + `#">
    <IfModule mod_authn_core.c>
        AuthType None
    </IfModule>
    Require all granted
    <IfModule mod_access_compat.c>
        Order allow,deny
        Allow from all
        Satisfy any
    </IfModule>
</If>
`
}
