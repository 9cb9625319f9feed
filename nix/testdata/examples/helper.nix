# No right of root for what talks to others.
{
  services.certkeep = {
    enable = true;
    acceptTerms = true;
    helper = true;
    certs."example.com" = {
      webroot = "/var/www/html";
      reloadServices = [ "lighttpd" ];
    };
    certs."tls.example.com".listenTLS = ":443";
  };
}
