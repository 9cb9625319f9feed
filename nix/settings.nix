# Certkeep's own configuration, made of the options. It holds no secret: those
# are named, and systemd hands them over.
{ config, lib, pkgs, ... }:
let
  inherit (lib) filterAttrs mapAttrs mapAttrs' mapAttrsToList mkDefault mkIf mkMerge nameValuePair optionalAttrs unique;

  cfg = config.services.certkeep;
  certs = builtins.attrValues cfg.certs;
  names = import ./names.nix { inherit lib; };
  systemctl = "${config.systemd.package}/bin/systemctl";

  # What is not set is left to Certkeep's own defaults.
  given = filterAttrs (_: v: v != null);
  # Each key for itself: `settings` may say another one beside it.
  leaves = mapAttrs (_: v: if builtins.isAttrs v then leaves v else mkDefault v);

  certificate = name: c: leaves (given {
    names = if c.csr == null then unique (map lib.toLower ([ c.domain ] ++ c.extraDomainNames)) else null;
    issuer = if c.server == null then null else map names.issuer (names.list c.server);
    key_types = if c.keyType == null || c.csr != null then null else map names.keyType (names.list c.keyType);
    profile = c.profile;
    must_staple = if c.ocspMustStaple && c.csr == null then true else null;
    renew = if c.validMinDays == null then null else { before = "${toString c.validMinDays}d"; };
    group = names.group cfg name;
    services = if units name == [ ] then null else map names.service (units name);
    challenges = challenge name c;
    csr = if c.csr == null then null else given { file = c.csr; key_file = c.csrKey; };
  });

  units = names.units cfg;

  challenge = name: c:
    if c.webroot != null then [ { http-01 = { webroot = c.webroot; }; } ]
    else if c.listenHTTP != null then [ { http-01 = { }; } ]
    else if c.listenTLS != null then [ { tls-alpn-01 = { }; } ]
    else if c.dnsProvider != null then [ { dns-01 = { via = names.dns cfg name c; }; } ]
    else null;

  dns = name: c:
    let entry = names.dns cfg name c;
    in given {
      provider = c.dnsProvider;
      server = if c.dnsProvider == "rfc2136" then c.dnsServer else null; # it may be inherited by another
      resolver = c.dnsResolver;
      propagation = if c.dnsPropagationCheck then null else false;
      tsig_file =
        if c.dnsProvider == "rfc2136" && c.credentialFiles ? RFC2136_TSIG_FILE
        then names.credential entry "RFC2136_TSIG_FILE" else null;
      command = if c.dnsProvider == "command" then names.list c.dnsCommand else null;
      environment_file = if names.hasVariables c then "${names.variables}/${entry}.env" else null;
    };

  # A unit that Certkeep knows keeps the ports at which it is looked at.
  service = unit: nameValuePair (names.service unit) ({
    reload = [ systemctl "try-reload-or-restart" unit ];
    status = [ systemctl "is-active" "--quiet" unit ];
  } // optionalAttrs (names.builtIn unit) {
    check = false; # systemd's reload tests, and the built-in test looks where NixOS has no configuration
  });

  # What security.acme has for postRun, but lego. systemd's own PATH on NixOS
  # has nothing but systemd.
  path = lib.makeBinPath (with pkgs; [ coreutils diffutils findutils gnugrep gnused openssl config.systemd.package ]);

  # Every hook is run for every certificate. postRun is run outside of
  # Certkeep's sandbox, as root with everything that root may. Services are
  # reloaded again after it, because they may read what it makes.
  hook = pkgs.writeShellScript "certkeep-post-run" ''
    set -eu
    case "$CERTKEEP_CERTIFICATE" in
    ${lib.concatStringsSep "\n" (mapAttrsToList (name: c: ''
      ${lib.escapeShellArg name})
        directory=${lib.escapeShellArg c.directory}
        script=${pkgs.writeShellScript "certkeep-post-run-${name}" c.postRun}
        set -- ${lib.escapeShellArgs (units name)}
        ;;'') withPostRun)}
    *)
      exit 0
      ;;
    esac
    ${config.systemd.package}/bin/systemd-run --quiet --wait --collect --pipe --working-directory="$directory" \
      --setenv=PATH=${path} --setenv=CERTKEEP_CERTIFICATE --setenv=RENEWED_LINEAGE --setenv=RENEWED_DOMAINS "$script"
    test $# = 0 || exec ${systemctl} try-reload-or-restart "$@"
  '';

  withPostRun = filterAttrs (_: c: c.postRun != "") cfg.certs;
  firstOf = values: builtins.head (builtins.filter (v: v != null) values ++ [ null ]);
  listening = option: builtins.filter (v: v != null) (map (c: c.${option}) certs);
in
{
  config.assertions = mkIf (cfg.enable && withPostRun != { }) [
    {
      assertion = cfg.settings.hooks.installed.command == [ (toString hook) ];
      message = "services.certkeep.settings.hooks.installed: postRun of certificates is run by this hook. Leave out its command, or every postRun.";
    }
  ];

  config.services.certkeep.settings = mkIf cfg.enable (mkMerge [
    {
      accept_terms = mkDefault (if builtins.isList cfg.acceptTerms then map names.issuer cfg.acceptTerms else cfg.acceptTerms);
      concurrency = mkDefault (if cfg.maxConcurrentRenewals == 0 then 1000 else cfg.maxConcurrentRenewals);
      listen = {
        http = mkDefault (if listening "listenHTTP" == [ ] then false else builtins.head (listening "listenHTTP"));
        tls = mkDefault (if listening "listenTLS" == [ ] then false else builtins.head (listening "listenTLS"));
      };
      defaults = leaves { layout = "nixos"; path = cfg.certsDirectory; };
      issuers = builtins.listToAttrs (map (url: nameValuePair (names.issuer url) (leaves { directory = url; }))
        (builtins.filter names.isNewURL (lib.concatMap (c: if c.server == null then [ ] else names.list c.server) certs)));
      services = builtins.listToAttrs (map (s: s // { value = leaves s.value; })
        (map service (unique (lib.concatMap units (builtins.attrNames cfg.certs)))));
      certificates = mapAttrs certificate cfg.certs;
      dns = mapAttrs' (name: c: nameValuePair (names.dns cfg name c) (leaves (dns name c)))
        (filterAttrs (_: c: names.ownDNS c) cfg.certs);
    }
    (mkIf (firstOf (map (c: c.email) certs) != null) {
      email = mkDefault (firstOf (map (c: c.email) certs));
    })
    (mkIf cfg.helper {
      helper.user = mkDefault names.user;
    })
    (mkIf (withPostRun != { }) {
      hooks.installed = leaves { command = [ (toString hook) ]; timeout = "5m"; };
    })
  ]);
}
