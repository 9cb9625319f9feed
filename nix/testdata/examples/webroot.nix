# A web server that somebody else set up.
{
  services.certkeep = {
    enable = true;
    acceptTerms = true;
    defaults.email = "admin@example.com";
    certs."example.com" = {
      extraDomainNames = [ "www.example.com" ];
      webroot = "/var/www/html";
      reloadServices = [ "lighttpd" ];
    };
  };
}
