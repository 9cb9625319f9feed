# httpd, with names proven by DNS for all hosts but one.
{
  services.httpd = {
    enable = true;
    virtualHosts = {
      "example.com".serverAliases = [ "www.example.com" ];
      "plain.example.com" = { };
    };
  };
  services.certkeep = {
    enable = true;
    acceptTerms = true;
    defaults.dnsProvider = "main";
    settings.dns.main = { provider = "rfc2136"; server = "192.0.2.53"; };
    httpd = {
      "example.com".forceSSL = true;
      "plain.example.com" = { forceSSL = true; acmeRoot = "/srv/challenges"; };
    };
  };
}
