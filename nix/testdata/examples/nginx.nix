# nginx: a host of its own, one with HTTP beside it, one that shares a
# certificate, and nothing said of how names are proven.
{
  services.nginx = {
    enable = true;
    virtualHosts = {
      "example.com".serverAliases = [ "www.example.com" ];
      "wiki" = { serverName = "wiki.example.com"; listenAddresses = [ "192.0.2.1" ]; redirectCode = 308; };
      "shop.example.com" = { };
    };
  };
  services.certkeep = {
    enable = true;
    acceptTerms = true;
    nginx = {
      "example.com".addSSL = true;
      "wiki" = { forceSSL = true; acmeFallbackHost = "old.example.com"; };
      "shop.example.com" = { onlySSL = true; useACMEHost = "example.com"; };
    };
    certs."example.com".extraDomainNames = [ "shop.example.com" ];
  };
}
