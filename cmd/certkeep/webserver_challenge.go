package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/webserver"
)

// listener looks whether a web server sits where the own listener answers.
func (d *webExaminer) listener(subject, which, address string) checked {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return checked{Verdict: verdictOK} // none, or checked by the config
	}
	for _, h := range d.hosts {
		for _, a := range h.Addresses {
			if strconv.Itoa(a.Port) == text {
				return checked{
					Name: subject, Verdict: verdictProblem,
					Words:  fmt.Sprintf("Certkeep is to answer at listen.%s, %s, where %s listens (%s)", which, address, h.Server, place(h)),
					Remedy: "have the web server show the answers: a rule with `http-01: {folder: …}`",
				}
			}
		}
	}
	return checked{Verdict: verdictOK}
}

// webroot puts a file where an answer would lie, and asks the web server for it.
func (d *webExaminer) webroot(ctx context.Context, name string, m config.Method) checked {
	at := d.visitor.Addresses(name)
	if len(at) == 0 {
		return checked{
			Verdict: verdictProblem, Words: fmt.Sprintf("no virtual host listens on port %d without TLS, where CAs look for its answers", d.port),
			Remedy: "have one listen there, or say in listen.outside which port CAs arrive at",
		}
	}
	open, pattern := challenge.NewWebroot, m.Webroot
	if m.Folder != "" {
		open, pattern = challenge.NewFolder, m.Folder
	}
	solver, err := open(pattern, durable.OS{})
	if err != nil {
		return checked{Verdict: verdictProblem, Words: err.Error()}
	}
	_, err = netip.ParseAddr(name)
	token := rand.Text()
	c := challenge.Challenge{
		Type: challenge.TypeHTTP01, Identifier: challenge.Identifier{Value: name, IP: err == nil},
		Token: token, KeyAuthorization: token + ".certkeep-webserver-check",
	}
	if err := solver.Present(ctx, c); err != nil {
		return presentFailed(err)
	}
	found := ask(ctx, d.visitor, at, c, filepath.Dir(solver.File(c)))
	if err := solver.CleanUp(context.WithoutCancel(ctx), c); err != nil {
		return presentFailed(err)
	}
	return found
}

func presentFailed(err error) checked {
	c := checked{Verdict: verdictProblem, Words: err.Error(), Remedy: "run this as the user that Certkeep runs as"}
	if failed, ok := errors.AsType[*challenge.Error](err); ok {
		c.Words, c.Detail, c.Remedy = failed.Op, []string{failed.Err.Error()}, cmp.Or(failed.Hint, failed.Code.Remedy())
	}
	return c
}

// ask asks at every address of the name, since a CA chooses one, for what lies
// in folder.
func ask(ctx context.Context, v *webserver.Visitor, at []webserver.Address, c challenge.Challenge, folder string) checked {
	const path = "/.well-known/acme-challenge/"
	for _, address := range at {
		visit, err := v.Ask(ctx, address, c.Identifier.Value, path+c.Token)
		if err == nil && visit.Shows(c.KeyAuthorization) {
			continue
		}
		found := checked{Verdict: verdictProblem}
		if len(visit.Path) > 0 {
			found.Detail = append(found.Detail, "sent on to "+strings.ReplaceAll(strings.Join(visit.Path, ", then "), c.Token, "…"))
		}
		switch {
		case errors.Is(err, webserver.ErrElsewhere):
			found.Verdict, found.Words = verdictWarning, fmt.Sprintf("%s sends CAs on, and whoever is there has to answer: %v", visit.Address, err)
			found.Remedy = "let " + path + " be answered ahead of the redirect"
		case err != nil:
			found.Words, found.Remedy = fmt.Sprintf("%s does not answer: %v", visit.Address, err), "start the web server; it has to listen as its configuration says"
		default:
			found.Words = fmt.Sprintf("%s answers %s (%d) instead of the file that was put into %s", visit.Address, cmp.Or(http.StatusText(visit.Status), "something"), visit.Status, folder)
			found.Detail = append(found.Detail, command.Tail(visit.Body, 1, 200)...)
			found.Remedy = remedyOf(visit.Status, path)
		}
		return found
	}
	return checked{Verdict: verdictOK, Words: "the web server shows what was put there for CAs"}
}

// remedyOf is what mends an answer of the wrong kind.
func remedyOf(status int, path string) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "let " + path + " be read without a password and by everybody, and the folder by the web server's user"
	case http.StatusNotFound:
		return "let the virtual host show " + path + " from the folder that the rule names"
	}
	return "let " + path + " be answered ahead of everything else in the virtual host"
}
