# NixOS module: certificates by Certkeep. docs/from-nixos.md compares it,
# option by option, with security.acme.
#
#   services.certkeep = {
#     enable = true;
#     acceptTerms = true;
#     defaults.email = "admin@example.com";
#     certs."example.com".webroot = "/var/www/html";
#   };
{ config, lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkEnableOption mkOption types;

  json = pkgs.formats.json { };
in
{
  imports = [
    ./certificates.nix
    ./settings.nix
    ./service.nix
    ./webservers.nix
    ./assertions.nix
  ];

  options.services.certkeep = {
    enable = mkEnableOption "Certkeep, which keeps TLS certificates alive";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package that is run.";
    };

    checkConfig = mkOption {
      type = types.bool;
      default = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
      defaultText = literalExpression "pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform";
      description = ''
        Whether the configuration is read by Certkeep when the system is built,
        so that a wrong one is refused there, in Certkeep's own words. Files
        that it names are not read.
      '';
    };

    acceptTerms = mkOption {
      type = types.either types.bool (types.listOf types.str);
      default = false;
      example = true;
      description = ''
        Whether the terms of service of the CAs are agreed to: `true`, or a
        list of the issuers whose terms are, by name or URL as in `server`.
      '';
    };

    maxConcurrentRenewals = mkOption {
      type = types.ints.between 0 1000;
      default = 20;
      description = "Orders that are under way at once. 0 means 1000.";
    };

    helper = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether what talks to CAs, name servers and visitors runs as the user
        `certkeep`, without any right of root. certkeep-helper.service, which
        is root and talks to no network, then installs files and reloads
        services; see docs/services.md. Hooks run as that user, so there is no
        `postRun`, and a webroot with `{host}` and its like has to be one where
        that user may write.
      '';
    };

    certsDirectory = mkOption {
      type = types.strMatching "/.*";
      default = "/var/lib/certkeep-certs";
      description = ''
        Folder in which every certificate has its own. Who moves here from
        security.acme sets it to `/var/lib/acme`: a valid pair that lies there
        is taken over instead of ordering, see docs/from-nixos.md.
      '';
    };

    environmentFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/run/secrets/certkeep.env";
      description = ''
        File of variables for Certkeep itself, such as HTTPS_PROXY and those
        that `settings` names by `*_env`. It must not lie in the store.
      '';
    };

    credentials = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = { corp-eab = "/run/secrets/corp-eab"; };
      description = ''
        systemd credentials, by the names that `settings` gives them in
        `*_credential`. Files in the store are refused.
      '';
    };

    readWritePaths = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/srv/tls" ];
      description = ''
        Folders that Certkeep writes to beside its own: those of `files`, `ocsp`
        and their like in `settings`. All others are read-only for it.
      '';
    };

    settings = mkOption {
      type = json.type;
      default = { };
      example = literalExpression ''
        {
          certificates."example.com".key_reuse = true;
          notify.email = { to = "ops@example.com"; smtp = "localhost:25"; };
        }
      '';
      description = ''
        Every other key of Certkeep's configuration, see
        docs/configuration.md. What stands here is merged with what the other
        options say, and wins where both name the same key. It is put into the
        store, where everybody can read it: secrets are named by file,
        environment or credential, as all keys of Certkeep do.
      '';
    };
  };
}
