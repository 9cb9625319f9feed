# Every option that ends in the configuration, and settings beside them.
{
  services.certkeep = {
    enable = true;
    acceptTerms = true;
    maxConcurrentRenewals = 0;
    certsDirectory = "/var/lib/acme";
    environmentFile = "/run/secrets/certkeep.env";
    credentials.corp-eab = "/run/secrets/corp-eab";
    readWritePaths = [ "/srv/tls" ];
    settings = {
      log.level = "debug";
      issuers.corp = {
        directory = "https://ca.corp.example/acme/directory";
        eab = { kid = "k1"; hmac_credential = "corp-eab"; };
      };
      certificates."mail.example.com" = {
        key_reuse = true;
        renew.ari = false;
        files = [ { path = "/srv/tls/mail.pem"; content = [ "key" "fullchain" ]; } ];
      };
      defaults.warn = "15%";
    };
    defaults = {
      email = "admin@example.com";
      server = [ "corp" "https://acme.example.net:14000/dir" "https://acme-v02.api.letsencrypt.org/directory" ];
      keyType = [ "ec384" "rsa2048" ];
      validMinDays = 20;
      profile = "tlsserver";
      listenHTTP = "192.0.2.1:80";
      group = "mail";
      reloadServices = [ "postfix" "dovecot2.service" "app@one.service" ];
      postRun = "systemctl restart opensmtpd";
    };
    certs = {
      "mail.example.com" = { ocspMustStaple = true; };
      "tls.example.com" = { listenTLS = ":443"; reloadServices = [ ]; postRun = ""; };
      "alone.example.com" = { inheritDefaults = false; webroot = "/srv/alone"; email = "admin@example.com"; };
    };
  };
}
