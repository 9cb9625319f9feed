# The options of certificates. Those in `inheritable` stand in `defaults` and
# in every certificate, and a certificate that does not set one has the value
# of `defaults`: the default of each is read from there, of every single one.
{ config, lib, ... }:
let
  inherit (lib) mapAttrs mkOption types;

  cfg = config.services.certkeep;

  # Where an option is not set, its definition has this priority.
  notSet = (lib.mkOptionDefault null).priority;

  challenges = [ "webroot" "listenHTTP" "listenTLS" "dnsProvider" ];

  # What Certkeep would refuse later, and with it the whole configuration.
  absolute = types.strMatching "/.*";
  address = types.strMatching ".*:[0-9]{1,5}";

  inheritable = {
    email = {
      type = types.nullOr (types.strMatching "[^@ ]+@[^@ ]+");
      default = null;
      example = "admin@example.com";
      description = ''
        Contact address for new accounts. Some CAs need none. Certkeep has one
        for all accounts, so all certificates must say the same.
      '';
    };

    server = {
      type = types.nullOr (types.either types.str (types.listOf types.str));
      default = null;
      example = [ "https://ca.corp.example/acme/directory" "letsencrypt" ];
      description = ''
        CA, as the URL of its ACME directory, or as the name of an issuer:
        a built-in one, or one of `settings.issuers`. Of several, the next one
        is asked when one fails. `null` is Let's Encrypt.
      '';
    };

    keyType = {
      type = types.nullOr (types.either keyType (types.listOf keyType));
      default = null;
      example = [ "ec256" "rsa2048" ];
      description = ''
        Kind of private key; of several a certificate for each, side by side.
        `null` is ec256.
      '';
    };

    validMinDays = {
      type = types.nullOr types.ints.positive;
      default = null;
      example = 30;
      description = ''
        Days before the end at which it is renewed, unless the CA advises
        otherwise. `null` is a third of the lifetime, and half of one under 10
        days.
      '';
    };

    profile = {
      type = types.nullOr (types.strMatching ".+");
      default = null;
      example = "shortlived";
      description = "ACME profile. `null` is the issuer's.";
    };

    ocspMustStaple = {
      type = types.bool;
      default = false;
      description = "Whether it is good with a stapled OCSP response only. Few CAs still offer that.";
    };

    webroot = {
      type = types.nullOr absolute;
      default = null;
      example = "/var/www/html";
      description = ''
        Folder that a web server serves as the root of the names: http-01. Below
        it the answers are put into `.well-known/acme-challenge`.
      '';
    };

    listenHTTP = {
      type = types.nullOr address;
      default = null;
      example = ":80";
      description = ''
        Address at which Certkeep itself answers http-01, `[HOST]:PORT`, while a
        challenge is pending. All certificates share it.
      '';
    };

    listenTLS = {
      type = types.nullOr address;
      default = null;
      example = ":443";
      description = "The same for tls-alpn-01.";
    };

    dnsProvider = {
      type = types.nullOr types.str;
      default = null;
      example = "rfc2136";
      description = ''
        dns-01: `rfc2136` sends dynamic updates, `command` runs `dnsCommand`;
        another name is an entry of `settings.dns`.
      '';
    };

    dnsServer = {
      type = types.nullOr types.str;
      default = null;
      example = "127.0.0.1:53";
      description = "rfc2136: the name server that takes updates. `null` is the zone's primary.";
    };

    dnsCommand = {
      type = types.nullOr (types.either types.str (types.listOf types.str));
      default = null;
      example = [ "/run/current-system/sw/bin/dns-record" ];
      description = ''
        command: the program that writes and removes records, with its
        arguments. It gets CERTKEEP_DNS_ACTION and its like, and what
        `credentialFiles` and `environmentFile` name.
      '';
    };

    dnsResolver = {
      type = types.nullOr types.str;
      default = null;
      example = "1.1.1.1:53";
      description = "Resolver that is asked for zones, name servers and aliases. `null` is the system's.";
    };

    dnsPropagationCheck = {
      type = types.bool;
      default = true;
      description = "Whether a record is looked for at the zone's name servers before the CA is told.";
    };

    environmentFile = {
      type = types.nullOr types.str;
      default = null;
      example = "/run/secrets/dns.env";
      description = ''
        File of variables, a line each: for `dnsCommand`, or for rfc2136 those
        of lego, RFC2136_NAMESERVER, RFC2136_TSIG_KEY and so on. It must not lie in
        the store.
      '';
    };

    credentialFiles = {
      type = types.attrsOf types.str;
      default = { };
      example = { RFC2136_TSIG_FILE = "/run/secrets/update.key"; };
      description = ''
        Files that hold secrets, by variables that end in `_FILE` or `_PATH`. rfc2136
        reads RFC2136_TSIG_FILE, a key file as tsig-keygen writes it, or those
        of lego such as RFC2136_TSIG_SECRET_FILE; `dnsCommand` gets them all.
        systemd hands them over as credentials. Files in the store are refused.
      '';
    };

    group = {
      type = types.nullOr (types.strMatching "[^ :/]+");
      default = null;
      example = "ssl-cert";
      description = ''
        Group that may read the private key. `null` is the group of the web
        server whose virtual host uses the certificate, else `certkeep`.
      '';
    };

    reloadServices = {
      type = types.listOf types.str;
      default = [ ];
      example = [ "postfix.service" ];
      description = "systemd units that are reloaded, or else restarted, when the files changed.";
    };

    postRun = {
      type = types.lines;
      default = "";
      example = "systemctl restart opensmtpd";
      description = ''
        Shell commands that root runs in the certificate's folder after its
        files changed, with coreutils, diffutils, findutils, grep, sed, openssl
        and systemd in PATH. What fails is run again until it succeeds. Then
        `reloadServices` and web servers are reloaded once more. A renewal comes
        with a new folder: what these commands make belongs elsewhere.
      '';
    };
  };

  keyType = types.enum [
    "ec256" "ec384" "ec521" "rsa2048" "rsa3072" "rsa4096"
    "ecdsa-p256" "ecdsa-p384" "ecdsa-p521" "rsa-2048" "rsa-3072" "rsa-4096"
  ];

  certificate = { name, config, options, ... }:
    let
      # A challenge that the certificate names itself replaces the inherited one.
      ownChallenge = builtins.any (c: options.${c}.highestPrio < notSet && config.${c} != null) challenges;
      inherited = option: o:
        if !config.inheritDefaults || builtins.elem option challenges && ownChallenge then o.default else cfg.defaults.${option};
    in
    {
      options = mapAttrs (option: o: mkOption (o // {
        default = inherited option o;
        defaultText = lib.literalMD "that of `defaults.${option}`";
      })) inheritable // {
        domain = mkOption {
          type = types.str;
          default = name;
          defaultText = lib.literalMD "its own name";
          description = "First name, which may be a wildcard.";
        };

        extraDomainNames = mkOption {
          type = types.listOf types.str;
          default = [ ];
          example = [ "www.example.com" "192.0.2.7" ];
          description = "Further names and IP addresses.";
        };

        directory = mkOption {
          type = types.str;
          readOnly = true;
          default = "${cfg.certsDirectory}/${name}";
          defaultText = lib.literalMD "its name below `certsDirectory`";
          description = "Where key.pem, cert.pem, chain.pem, fullchain.pem and full.pem are.";
        };

        csr = mkOption {
          type = types.nullOr absolute;
          default = null;
          example = "/var/lib/secrets/example.csr";
          description = "A signing request of your own. Names and kind of key are those in it.";
        };

        csrKey = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "/var/lib/secrets/example.key";
          description = "Its private key.";
        };

        inheritDefaults = mkOption {
          type = types.bool;
          default = true;
          description = "Whether what is not set here is taken from `defaults`.";
        };
      };
    };
in
{
  options.services.certkeep = {
    defaults = mapAttrs (_: mkOption) inheritable;

    certs = mkOption {
      type = types.attrsOf (types.submodule certificate);
      default = { };
      example = { "example.com".extraDomainNames = [ "www.example.com" ]; };
      description = "The certificates that are wanted, by names of your choice.";
    };
  };
}
