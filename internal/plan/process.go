package plan

// meaningsOfProcess are those of what no fact tells of, only the process that
// runs the engine: it gives them as conditions of its own.
func meaningsOfProcess() map[Code]meaning {
	return map[Code]meaning{
		CodeConfig:     {Warning, "The one before stays in force. Mend it (`certkeep config check` says what is wrong) and reload."},
		CodeRedirect:   {Warning, "Free the port, or take `redirect` out of `listen.http` and let the web server send them on."},
		CodeStatusPage: {Warning, "Free the address, or give the page another one, or none, by `listen.status`. Certificates are kept all the same."},
	}
}
