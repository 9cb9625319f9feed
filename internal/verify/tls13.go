package verify

import (
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// errNoTLS13 says that a server did not take up what was offered in TLS 1.3.
// That is no finding: TLS 1.2 may be all that it speaks.
var errNoTLS13 = errors.New("it does not take up the offer of TLS 1.3")

// Types of handshake messages, RFC 8446 section 4.
const (
	typeServerHello         = 2
	typeEncryptedExtensions = 8
	typeCertificate         = 11
	typeCertificateRequest  = 13
	typeCertificateVerify   = 15
	typeFinished            = 20
)

// asker is a client of TLS 1.3 that takes signatures of one kind of key only,
// which crypto/tls cannot be: it always offers all algorithms. It looks at a
// certificate, at the proof that its key is there, and says goodbye. Nothing
// secret ever goes through it, and nobody is trusted for what it saw.
type asker struct {
	*channel
	kind    string
	secrets *schedule
	asked   bool // for a certificate of ours
}

// shake makes a handshake up to the server's last message. The certificates
// are returned too where it failed after them.
func (a *asker) shake(name string) ([]*x509.Certificate, error) {
	if err := a.hello(name); err != nil {
		return nil, err
	}
	return a.presented()
}

// presented reads what comes under keys.
func (a *asker) presented() ([]*x509.Certificate, error) {
	if _, err := a.expect(typeEncryptedExtensions); err != nil {
		return nil, err
	}
	kind, body, err := a.message()
	if err == nil && kind == typeCertificateRequest {
		a.asked = true
		kind, body, err = a.message()
	}
	if err != nil {
		return nil, err
	}
	if kind != typeCertificate {
		return nil, fmt.Errorf("message %d of TLS 1.3 in place of its certificate", kind)
	}
	certs, err := parseCertificates(body)
	if err != nil {
		return nil, err
	}
	return certs, a.prove(certs[0])
}

// hello exchanges the first messages and the keys.
func (a *asker) hello(name string) error {
	offer, err := newOffer(name, a.kind)
	if err != nil {
		return err
	}
	if err := a.sayHello(offer.message); err != nil {
		return err
	}
	answer, err := a.expect(typeServerHello)
	if err != nil {
		return err
	}
	suite, shared, err := offer.answered(answer)
	if err != nil {
		return err
	}
	if len(a.pending) > 0 {
		return errors.New("it went on in plain text") // RFC 8446 section 5.1
	}
	a.secrets, err = newSchedule(suite, shared, a.transcript)
	if err != nil {
		return err
	}
	a.in, err = a.secrets.half(a.secrets.server)
	if err != nil {
		return err
	}
	a.out, err = a.secrets.half(a.secrets.client)
	return err
}

// prove checks that the server has the certificate's key, and ends the
// handshake: RFC 8446 sections 4.4.3 and 4.4.4.
func (a *asker) prove(leaf *x509.Certificate) error {
	signed := a.secrets.digest(a.transcript)
	body, err := a.expect(typeCertificateVerify)
	if err != nil {
		return err
	}
	if err := checkProof(a.kind, leaf, signed, body); err != nil {
		return err
	}
	wanted, err := a.secrets.finished(a.secrets.server, a.transcript)
	if err != nil {
		return err
	}
	body, err = a.expect(typeFinished)
	if err != nil {
		return err
	}
	if !hmac.Equal(wanted, body) {
		return errors.New("the handshake was tampered with")
	}
	return nil
}

// bye ends the handshake on our side, says the farewell of a protocol under
// TLS, and that this was all, so that the server has nothing to log. An error
// does not matter any more. Nothing is said where the server wants our
// certificate: there is none.
func (a *asker) bye(protocol string) {
	if a.asked {
		return
	}
	finished, err := a.secrets.finished(a.secrets.client, a.transcript)
	if err != nil {
		return
	}
	application, err := a.secrets.application(a.transcript)
	if err != nil {
		return
	}
	_ = a.say(recordHandshake, append([]byte{typeFinished, 0, 0, byte(len(finished))}, finished...))
	a.out = application
	goodbye(applicationWriter{a.channel}, protocol)
	const warning, closeNotify = 1, 0
	_ = a.say(recordAlert, []byte{warning, closeNotify})
}

// applicationWriter writes application data.
type applicationWriter struct{ *channel }

func (w applicationWriter) Write(p []byte) (int, error) {
	if err := w.say(recordApplication, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shake13 asks for a kind of key by the signature algorithms of TLS 1.3.
func shake13(conn net.Conn, e Endpoint, kind string) ([]*x509.Certificate, error) {
	a := &asker{channel: newChannel(conn), kind: kind}
	certs, err := a.shake(e.ServerName)
	if err == nil {
		a.bye(e.StartTLS)
	}
	return certs, err
}

// refusedKind reports whether a server ended such a handshake as one does that
// has nothing to show to the client (RFC 8446 section 4.1.1). It does the same
// where it shares no group or suite with it.
func refusedKind(err error) bool {
	const handshakeFailure = 40
	alert, ok := errors.AsType[tls.AlertError](err)
	return ok && alert == handshakeFailure
}
