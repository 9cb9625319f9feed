# Virtual hosts of nginx and httpd. The options that nixpkgs has for
# security.acme there lead to its client, so there are others of like names
# here, and those are left alone.
{ config, lib, ... }:
let
  inherit (lib) filterAttrs mapAttrsToList mkDefault mkIf mkMerge mkOption optionalAttrs optionalString types;

  cfg = config.services.certkeep;
  nginx = config.services.nginx;
  httpd = config.services.httpd;

  inherit (cfg) defaults;
  inherits = builtins.any (c: c != null) [ defaults.webroot defaults.listenHTTP defaults.listenTLS defaults.dnsProvider ];

  virtualHost = types.submodule {
    options = {
      useACMEHost = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "example.com";
        description = ''
          Name of a certificate in `certs` to use, which must have the names of
          this virtual host. `null` makes one of its own, with its name and aliases.
        '';
      };

      acmeRoot = mkOption {
        type = types.nullOr (types.strMatching "/.*");
        default = if inherits then null else "/var/lib/certkeep-challenges";
        defaultText = lib.literalMD "`null` where `defaults` has a challenge, else `/var/lib/certkeep-challenges`";
        description = "Webroot of its own certificate. `null` has the challenge of `defaults`.";
      };

      acmeFallbackHost = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "other.example.com";
        description = "nginx: host that is asked for answers that are not here.";
      };

      addSSL = mkOption {
        type = types.bool;
        default = false;
        description = "HTTPS beside HTTP.";
      };

      onlySSL = mkOption {
        type = types.bool;
        default = false;
        description = "HTTPS alone.";
      };

      forceSSL = mkOption {
        type = types.bool;
        default = false;
        description = "HTTPS, and HTTP sends visitors there. Challenges are answered by HTTP.";
      };
    };
  };

  serverName = {
    nginx = vhost: if nginx.virtualHosts.${vhost}.serverName != null then nginx.virtualHosts.${vhost}.serverName else vhost;
    httpd = vhost: httpd.virtualHosts.${vhost}.hostName;
  };

  certOf = server: vhost: h: if h.useACMEHost != null then h.useACMEHost else serverName.${server} vhost;

  # The folder in which a web server finds the answers; null where it is not
  # the one that gives them.
  answers = server: vhost: h: (cfg.certs.${certOf server vhost h} or { webroot = null; }).webroot;

  directory = server: vhost: h: "${cfg.certsDirectory}/${certOf server vhost h}";

  # The certificates of virtual hosts that use no other's.
  own = server: hosts: mkMerge (mapAttrsToList (vhost: h: {
    ${certOf server vhost h} = {
      extraDomainNames = config.services.${server}.virtualHosts.${vhost}.serverAliases;
      webroot = mkIf (h.acmeRoot != null) (mkDefault h.acmeRoot);
    };
  }) (filterAttrs (_: h: h.useACMEHost == null) hosts));

  used = server: hosts: unit: mkMerge (mapAttrsToList (vhost: h: {
    ${certOf server vhost h} = [ { inherit unit; inherit (config.services.${server}) group; } ];
  }) hosts);

  # Other modules make hosts with enableACME and forceSSL by mkDefault, which
  # this replaces. What the administrator says is stronger: assertions look at it.
  unlessSaid = lib.mkOverride 900;

  # How a host is reached, where services.certkeep says so.
  secured = h: {
    addSSL = mkIf (h.addSSL || h.onlySSL || h.forceSSL) (if h.addSSL then true else unlessSaid false);
    onlySSL = mkIf (h.addSSL || h.onlySSL || h.forceSSL) (if h.onlySSL || h.forceSSL then true else unlessSaid false);
    forceSSL = mkIf (h.addSSL || h.onlySSL || h.forceSSL) (unlessSaid false);
  };

  # nginx

  # A CA has no password, whatever the host demands of others.
  open = "auth_basic off;\nauth_request off;\n";

  locations = vhost: h: mkIf (answers "nginx" vhost h != null) ({
    "^~ /.well-known/acme-challenge/" = {
      root = answers "nginx" vhost h;
      extraConfig = open
        + optionalString (h.acmeFallbackHost != null) "try_files $uri @certkeep-fallback;\n";
    };
  } // optionalAttrs (h.acmeFallbackHost != null) {
    "@certkeep-fallback" = {
      proxyPass = "http://${h.acmeFallbackHost}";
      recommendedProxySettings = false; # it has a Host of its own, and two are refused with 400
      extraConfig = open + "proxy_set_header Host $host;\n";
    };
  });

  nginxHost = vhost: h: {
    ${vhost} = {
      sslCertificate = "${directory "nginx" vhost h}/fullchain.pem";
      sslCertificateKey = "${directory "nginx" vhost h}/key.pem";
      sslTrustedCertificate = mkDefault "${directory "nginx" vhost h}/chain.pem";
      enableACME = unlessSaid false;
      inherit (secured h) addSSL onlySSL forceSSL;
      locations = locations vhost h;
    };
  } // optionalAttrs h.forceSSL {
    # A server of its own for port 80: in that of nixpkgs no location can be put.
    "${vhost}-certkeep-http" = {
      serverName = serverName.nginx vhost;
      inherit (nginx.virtualHosts.${vhost}) serverAliases listenAddresses default;
      locations = mkMerge [
        (locations vhost h)
        { "/".return = "${toString nginx.virtualHosts.${vhost}.redirectCode} https://$host$request_uri"; }
      ];
    };
  };

  # httpd

  alias = vhost: h: optionalString (answers "httpd" vhost h != null) ''
    Alias /.well-known/acme-challenge/ "${answers "httpd" vhost h}/.well-known/acme-challenge/"
    <Directory "${answers "httpd" vhost h}/.well-known/acme-challenge">
      AllowOverride None
      Options None
    </Directory>
    <Location "/.well-known/acme-challenge/">
      AuthType None
      Require all granted
      <IfModule mod_proxy.c>
        ProxyPass "!"
      </IfModule>
    </Location>
  '';

  httpdHost = vhost: h: {
    ${vhost} = {
      sslServerCert = "${directory "httpd" vhost h}/fullchain.pem";
      sslServerKey = "${directory "httpd" vhost h}/key.pem";
      enableACME = unlessSaid false;
      inherit (secured h) addSSL onlySSL forceSSL;
      extraConfig = lib.mkAfter (alias vhost h); # the last Location counts
    };
  } // optionalAttrs h.forceSSL {
    "${vhost}-certkeep-http" = {
      hostName = serverName.httpd vhost;
      inherit (httpd.virtualHosts.${vhost}) serverAliases listenAddresses;
      extraConfig = alias vhost h + ''
        RewriteEngine On
        RewriteCond %{REQUEST_URI} !^/\.well-known/acme-challenge/
        RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]
      '';
    };
  };
in
{
  options.services.certkeep = {
    nginx = mkOption {
      type = types.attrsOf virtualHost;
      default = { };
      example = { "example.com".forceSSL = true; };
      description = "Virtual hosts of `services.nginx.virtualHosts`, by their names there, that get a certificate.";
    };

    httpd = mkOption {
      type = types.attrsOf virtualHost;
      default = { };
      example = { "example.com".forceSSL = true; };
      description = "The same of `services.httpd.virtualHosts`.";
    };
  };

  options.services.certkeep.usedBy = mkOption {
    type = types.attrsOf (types.listOf (types.attrsOf types.str));
    default = { };
    internal = true;
    description = "Unit and group of the web servers whose virtual hosts use a certificate, by its name.";
  };

  config = mkIf cfg.enable {
    services.certkeep.certs = mkMerge [ (own "nginx" cfg.nginx) (own "httpd" cfg.httpd) ];
    services.certkeep.usedBy = mkMerge [
      (used "nginx" cfg.nginx "nginx.service")
      (used "httpd" cfg.httpd "httpd.service")
    ];

    services.nginx.virtualHosts = mkMerge (mapAttrsToList nginxHost cfg.nginx);
    services.httpd.virtualHosts = mkMerge (mapAttrsToList httpdHost cfg.httpd);
  };
}
