package engine

import (
	"crypto/tls"
	"net/http"

	"github.com/certkeep/certkeep/internal/challenge"
)

// Listener is the own listener of http-01 by the config in force, nil where
// it is off.
func (e *Engine) Listener() *challenge.HTTP01 {
	p := e.current()
	return p.http[p.cfg.Listen.HTTP.Address]
}

// AnswerHTTP shows what a request of a CA asks for. It reports false where it
// asks for nothing that is presented, and has written nothing then.
func (e *Engine) AnswerHTTP(w http.ResponseWriter, r *http.Request) bool {
	p := e.current()
	for _, solver := range p.http {
		if solver.Answer(w, r) {
			return true
		}
	}
	return false
}

// AnswerTLS is the certificate that a hello of a CA asks for, nil where it
// asks for none.
func (e *Engine) AnswerTLS(hello *tls.ClientHelloInfo) *tls.Certificate {
	for _, solver := range e.current().tls {
		if certificate := solver.Answer(hello); certificate != nil {
			return certificate
		}
	}
	return nil
}
