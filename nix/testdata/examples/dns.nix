# Wildcards by DNS: one set of defaults, and a certificate that has another way.
{
  services.certkeep = {
    enable = true;
    acceptTerms = [ "letsencrypt" ];
    defaults = {
      dnsProvider = "rfc2136";
      dnsServer = "127.0.0.1:53";
      dnsPropagationCheck = false;
      credentialFiles.RFC2136_TSIG_FILE = "/run/secrets/update.key";
    };
    certs = {
      "example.com".extraDomainNames = [ "*.example.com" ];
      "example.net".domain = "*.example.net";
      "example.org" = {
        dnsProvider = "command";
        dnsCommand = [ "/run/current-system/sw/bin/dns-record" "--zone" "example.org" ];
        dnsServer = null;
        credentialFiles = { TOKEN_FILE = "/run/secrets/token"; };
        environmentFile = "/run/secrets/dns.env";
      };
      "static.example.com".webroot = "/srv/static";
    };
  };
}
