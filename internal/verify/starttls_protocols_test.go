package verify

import (
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

func sieveExchanges() []exchange {
	const greets = "> \"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\n\"starttls\"\r\n\"VERSION\" \"1.0\"\r\nOK \"Dovecot ready.\"\r\n"
	return []exchange{
		{"sieve", sieve, []string{greets, "< STARTTLS\r\n", "> OK \"Begin TLS negotiation now.\"\r\n", "tls", "<< LOGOUT\r\n"}, plan.VerdictRight},
		{"sieve, literals", sieve, []string{
			"> \"STARTTLS\"\r\n\"X\" {8}\r\nOK\r\nNO\r\n\r\nok {5}\r\na\r\n{3\r\n", "< STARTTLS\r\n", "> OK (TAG {2}\r\n\"}) \"x\"\r\n", "tls",
		}, plan.VerdictRight},
		{"sieve, not offered", sieve, []string{"> \"SASL\" \"STARTTLS\"\r\nOK\r\n"}, plan.VerdictUnknown},
		{"sieve, refused", sieve, []string{greets, "< STARTTLS\r\n", "> NO \"no key\"\r\n"}, plan.VerdictUnknown},
		{"sieve, bye", sieve, []string{"> BYE (REFERRAL \"sieve://x.test\") \"x\"\r\n"}, plan.VerdictUnknown},
		{"sieve, injected", sieve, []string{greets, "< STARTTLS\r\n", "> OK\r\n\"SASL\" \"PLAIN\"\r\n"}, plan.VerdictUnknown},
		{"sieve, endless", sieve, []string{"> " + strings.Repeat("\"X\"\r\n", maxLines+1)}, plan.VerdictUnknown},
		{"sieve, endless literal", sieve, []string{"> \"X\" {99999999}\r\n"}, plan.VerdictUnknown},
		{"sieve, endless literals", sieve, []string{"> \"X\"" + strings.Repeat(" {0}\r\n", maxLines+1)}, plan.VerdictUnknown},
		{"sieve, half a literal", sieve, []string{"> \"X\" {9}\r\nabc"}, plan.VerdictUnknown},
	}
}

func ftpExchanges() []exchange {
	const auth = "< AUTH TLS\r\n"
	return []exchange{
		{"ftp", ftp, []string{"> 220 (vsFTPd 3.0.3)\r\n", auth, "> 234 Proceed with negotiation.\r\n", "tls", "<< QUIT\r\n"}, plan.VerdictRight},
		{"ftp, many lines", ftp, []string{"> 220-Welcome\r\n 530 no answer\r\n221 nor this\r\n220\r\n220 \r\n", auth, "> 234\r\n", "tls"}, plan.VerdictRight},
		{"ftp, later", ftp, []string{"> 120 in three minutes\r\n"}, plan.VerdictUnknown},
		{"ftp, off", ftp, []string{"> 220 x\r\n", auth, "> 530 Please login with USER and PASS.\r\n"}, plan.VerdictUnknown},
		{"ftp, other code", ftp, []string{"> 220 x\r\n", auth, "> 2345 x\r\n"}, plan.VerdictUnknown},
		{"ftp, injected", ftp, []string{"> 220 x\r\n", auth, "> 234 x\r\n230 you are in\r\n"}, plan.VerdictUnknown},
		{"ftp, endless", ftp, []string{"> 220-" + strings.Repeat("\r\n", maxLines+1)}, plan.VerdictUnknown},
	}
}

// What Prosody 0.12 says.
const (
	prosodyGreets   = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='1c2' version='1.0' xml:lang='en' xmlns='jabber:client' from='mail.example.test'>"
	prosodyOffers   = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
	prosodyProceeds = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
)

func xmppExchanges() []exchange {
	const head = "< <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='mail.example.test' version='1.0'>"
	const asks = "< <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	server := strings.Replace(head, "jabber:client", "jabber:server", 1)
	return []exchange{
		{"xmpp", xmpp, []string{head, "> " + prosodyGreets + prosodyOffers, asks, "> " + prosodyProceeds, "tls"}, plan.VerdictRight},
		{"xmpp-server", xmppServer, []string{server, "> " + prosodyGreets, "> " + prosodyOffers, asks, "> " + prosodyProceeds, "tls"}, plan.VerdictRight},
		{"xmpp, other prefixes", xmpp, []string{
			head, "> <s:stream xmlns:s='http://etherx.jabber.org/streams'><s:features><x><starttls/></x><t:starttls xmlns:t='urn:ietf:params:xml:ns:xmpp-tls'/></s:features>", asks,
			"> \n<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed >", "tls",
		}, plan.VerdictRight},
		{"xmpp, not offered", xmpp, []string{head, "> " + prosodyGreets + "<stream:features><starttls xmlns='other'/></stream:features>"}, plan.VerdictUnknown},
		{"xmpp, no features", xmpp, []string{head, "> " + prosodyGreets + "<stream:features/>"}, plan.VerdictUnknown},
		{"xmpp, name unknown", xmpp, []string{head, "> " + prosodyGreets + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"}, plan.VerdictUnknown},
		{"xmpp, refused", xmpp, []string{head, "> " + prosodyGreets + prosodyOffers, asks, "> <failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"}, plan.VerdictUnknown},
		{"xmpp, injected", xmpp, []string{head, "> " + prosodyGreets + prosodyOffers, asks, "> " + prosodyProceeds + " "}, plan.VerdictUnknown},
		{"xmpp, declares types", xmpp, []string{head, "> <!DOCTYPE x>" + prosodyGreets + prosodyOffers, asks, "> " + prosodyProceeds}, plan.VerdictUnknown},
		{"xmpp, other XML", xmpp, []string{head, "> <html>"}, plan.VerdictUnknown},
		{"xmpp, no XML", xmpp, []string{head, "> HTTP/1.1 400 Bad Request\r\n\r\n"}, plan.VerdictUnknown},
		{"xmpp, endless", xmpp, []string{head, "> " + prosodyGreets + strings.Repeat(" ", maxStream)}, plan.VerdictUnknown},
	}
}

func ldapExchanges() []exchange {
	const asks = "< " + ldapStartTLS
	return []exchange{
		{"ldap", ldap, []string{asks, "> \x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", "tls", "<< " + ldapUnbind}, plan.VerdictRight},
		{"ldap, Active Directory", ldap, []string{
			asks, "> \x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\x00\x00\x00\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037", "tls",
		}, plan.VerdictRight},
		{"ldap, off", ldap, []string{asks, "> \x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03off"}, plan.VerdictUnknown},
		{"ldap, disconnects", ldap, []string{asks, "> \x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x00\x04\x00\x04\x00"}, plan.VerdictUnknown},
		{"ldap, another response", ldap, []string{asks, "> \x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"}, plan.VerdictUnknown},
		{"ldap, injected", ldap, []string{asks, "> \x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00\x30"}, plan.VerdictUnknown},
		{"ldap, too long", ldap, []string{asks, "> \x30\x84\x7f\xff\xff\xff"}, plan.VerdictUnknown},
		{"ldap, no length", ldap, []string{asks, "> \x30\x80"}, plan.VerdictUnknown},
		{"ldap, length beyond", ldap, []string{asks, "> \x30\x0c\x02\x01\x01\x78\x84\xff\xff\xff\xff\x04\x00\x04"}, plan.VerdictUnknown},
		{"ldap, not LDAP", ldap, []string{asks, "> HTTP/1.1 400 Bad Request\r\n\r\n"}, plan.VerdictUnknown},
		{"ldap, silent", ldap, []string{asks}, plan.VerdictUnknown},
	}
}
