# The units. certkeep.service keeps everything; certkeep-setup.service runs
# before web servers and puts a placeholder where they would find no file.
{ config, lib, pkgs, ... }:
let
  inherit (lib) concatMap filterAttrs mapAttrsToList mkDefault mkIf optional unique;

  cfg = config.services.certkeep;
  json = pkgs.formats.json { };
  names = import ./names.nix { inherit lib; };
  certs = builtins.attrValues cfg.certs;

  written = json.generate "certkeep.json" cfg.settings;
  configFile = if !cfg.checkConfig then written else
    pkgs.runCommand "certkeep.json" { nativeBuildInputs = [ cfg.package ]; inherit written; } ''
      if ! certkeep --quiet config check - < "$written"; then
        echo 'services.certkeep: the configuration is refused; stdin is the file that its options make' >&2
        exit 1
      fi
      cp "$written" "$out"
    '';

  # Files that a service may want to read when it starts.
  awaited = map (name: "${cfg.certs.${name}.directory}/fullchain.pem")
    (builtins.filter (name: names.units cfg name != [ ]) (builtins.attrNames cfg.certs));
  readers = unique (concatMap (names.units cfg) (builtins.attrNames cfg.certs));
  answering = unique (concatMap (names.answering cfg) (builtins.attrNames cfg.certs));
  withReload = units: units ++ optional (builtins.elem "nginx.service" units) "nginx-config-reload.service";
  setup = optional (awaited != [ ]) "certkeep-setup.service";

  # Secrets of `settings`, and those of entries of `dns`, which the daemon alone
  # needs.
  general = mapAttrsToList (id: path: { inherit id path; }) cfg.credentials;
  dns = unique (builtins.concatLists (mapAttrsToList (name: c:
    let entry = names.dns cfg name c;
    in mapAttrsToList (id: path: { id = "${entry}.${id}"; inherit path; }) c.credentialFiles
      ++ optional (c.environmentFile != null) { id = "${entry}.environment"; path = c.environmentFile; })
    (filterAttrs (_: names.ownDNS) cfg.certs)));

  # A file that is not there must stop nothing but what needs it: systemd puts an
  # empty line in its place, and for Certkeep such a secret is missing. With
  # nothing behind the colon it would take the line for a mistake.
  credentials = list: {
    LoadCredential = map (c: "${c.id}:${c.path}") list;
    SetCredential = map (c: "${c.id}:\\n") list;
  };

  # Variables of an entry of `dns` come from two sides: the environmentFile, and
  # the paths of credentials. Certkeep reads one file.
  variables = unique (mapAttrsToList (name: c:
    let entry = names.dns cfg name c;
    in toString (pkgs.writeShellScript "certkeep-dns-${entry}" ''
      set -eu
      umask 077
      {
      ${lib.optionalString (c.environmentFile != null) "cat ${names.credential entry "environment"} || true; echo"}
      ${lib.concatMapStringsSep "\n" (variable: "echo ${variable}=${names.credential entry variable}") (names.fileVariables c)}
      } > ${names.variables}/${entry}.env
    '')) (filterAttrs (_: names.hasVariables) cfg.certs));

  # Webroots of all certificates, also of those that no virtual host has.
  # One with {host} and its like is another folder for each name, below a fixed one.
  fixed = root: let parts = builtins.match "([^{]*)/[^/]*[{].*" root; in if parts == null then root else builtins.head parts;
  webroots = unique (builtins.filter (root: root != "") (map (c: fixed (toString c.webroot)) certs));

  # Ports below 1024 need a capability.
  low = address:
    let port = builtins.match ".*:([0-9]+)" (toString address);
    in port != null && builtins.stringLength (builtins.head port) <= 4 && lib.toInt (builtins.head port) < 1024;
  listens = builtins.any low (concatMap (c: optional (c.listenHTTP != null) c.listenHTTP ++ optional (c.listenTLS != null) c.listenTLS) certs);

  # What all units may do. Certkeep is root, because files have the owners and
  # groups that the configuration names and services are reloaded; of what root
  # may do it keeps that.
  ofRoot = [
    "CAP_CHOWN" # owner and group of files
    "CAP_FOWNER"
    "CAP_DAC_OVERRIDE" # webroots of others
    "CAP_SETUID" # hooks with a `user`
    "CAP_SETGID"
    "CAP_KILL" # ending those, and reload by a signal
  ];
  binds = optional listens "CAP_NET_BIND_SERVICE";
  writes = paths: unique (map (path: "-${path}") (paths ++ cfg.readWritePaths));

  confined = {
    CapabilityBoundingSet = ofRoot ++ binds;
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = mkDefault true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectSystem = "strict";
    ReadWritePaths = writes ([ cfg.certsDirectory ] ++ webroots);
    RemoveIPC = true;
    RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" "AF_NETLINK" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    StateDirectory = "certkeep";
    StateDirectoryMode = "0700";
    SystemCallArchitectures = "native";
    SystemCallFilter = [ "@system-service" ];
    UMask = "0022"; # secrets have their modes from the start
  } // credentials general // lib.optionalAttrs (cfg.environmentFile != null) {
    EnvironmentFile = "-${cfg.environmentFile}";
  };

  # All but the helper: where there is one, they are somebody else, who installs
  # nothing himself.
  own = if !cfg.helper then confined else confined // {
    User = names.user;
    Group = names.user;
    CapabilityBoundingSet = if binds == [ ] then "" else binds;
    AmbientCapabilities = if binds == [ ] then "" else binds;
    ReadWritePaths = writes webroots;
    SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
  };
  helper = optional cfg.helper "certkeep-helper.service";

  # Where that user puts the answers to challenges: root has made the webroot.
  answers = map (root: "${root}/.well-known/acme-challenge")
    (if cfg.helper then builtins.filter (root: builtins.match ".*[{].*" root == null) (unique (builtins.filter (root: root != "") (map (c: toString c.webroot) certs))) else [ ]);
in
{
  config = mkIf cfg.enable {
    environment.etc."certkeep/certkeep.json".source = configFile;
    environment.systemPackages = [ cfg.package ];

    users.groups.certkeep = { };
    users.users = mkIf cfg.helper { ${names.user} = { isSystemUser = true; group = "certkeep"; }; };

    # A webroot is made where it is not: 0755, root. One that is there stays as it
    # is, since neither owner nor mode is said.
    systemd.tmpfiles.settings."10-certkeep" = lib.genAttrs webroots (_: { d = { }; }) // {
      ${cfg.certsDirectory}.d = { mode = "0755"; user = "root"; group = "root"; };
    } // lib.genAttrs answers (_: { d = { mode = "0755"; user = names.user; group = "certkeep"; }; });

    systemd.services = {
      certkeep = {
        description = "Certkeep, keeper of TLS certificates";
        documentation = [ "man:certkeep(1)" ];
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ] ++ setup;
        requires = helper;
        # After the web servers that answer challenges. After no other service: it
        # may itself wait for its certificate (certkeep-finished@).
        after = [ "network-online.target" "nss-lookup.target" ] ++ helper ++ setup ++ withReload answering;
        # Restarted, not reloaded: a switch stops it before services learn of new
        # virtual hosts, and starts it when they answer.
        restartTriggers = [ configFile ];
        serviceConfig = own // credentials (general ++ dns) // {
          Type = "notify";
          ExecStartPre = variables;
          ExecStart = "${cfg.package}/bin/certkeep --config /etc/certkeep/certkeep.json run";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
          Restart = "on-failure";
          RestartSec = "10s";
          RestartPreventExitStatus = [ 2 3 ]; # wrong usage, invalid configuration
          WatchdogSec = "5min";
        } // lib.optionalAttrs (variables != [ ]) {
          RuntimeDirectory = builtins.baseNameOf names.variables;
          RuntimeDirectoryMode = "0700";
        };
      };

      certkeep-setup = mkIf (awaited != [ ]) {
        description = "Placeholders for services that would find no certificate";
        wantedBy = withReload readers;
        before = withReload readers;
        requires = helper;
        after = helper;
        unitConfig.ConditionPathExists = map (path: "|!${path}") awaited; # any of them
        restartTriggers = [ configFile ];
        serviceConfig = own // {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${cfg.package}/bin/certkeep --quiet --config ${configFile} apply --only install";
          StandardOutput = "null"; # that there is no certificate yet; the daemon tells what is wrong
          SuccessExitStatus = [ 4 5 ]; # 5: there is no certificate yet, which is why it runs
          TimeoutStartSec = "1min";
        };
      };

      # Root, for a Certkeep that is not: it is told names, and reads the rest in the
      # configuration and the state.
      certkeep-helper = mkIf cfg.helper {
        description = "Certkeep's helper, which installs files";
        documentation = [ "man:certkeep(1)" ];
        after = [ "local-fs.target" ];
        # Restarted and stopped with the daemon, so that both are of one version.
        # It reads a changed configuration by itself.
        partOf = [ "certkeep.service" ];
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = confined // {
          Type = "notify";
          ExecStart = "${cfg.package}/bin/certkeep --config /etc/certkeep/certkeep.json helper";
          Restart = "on-failure";
          RestartSec = "10s";
          RestartPreventExitStatus = [ 2 3 ];
          TimeoutStopSec = "3min"; # what is under way is finished
          CapabilityBoundingSet = ofRoot;
          ReadWritePaths = writes [ cfg.certsDirectory ];
          RuntimeDirectory = "certkeep-helper"; # its socket, see `helper` of docs/configuration.md
          StateDirectory = "certkeep-helper";
        };
      };

      # Behind certkeep-finished@NAME.target, for whatever must not start before
      # the certificate NAME is valid and in place.
      "certkeep-finished@" = {
        description = "Wait for TLS certificate %i";
        documentation = [ "man:certkeep(1)" ];
        after = [ "certkeep.service" ];
        serviceConfig = own // {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${cfg.package}/bin/certkeep --quiet --config /etc/certkeep/certkeep.json status --wait 5m %i";
          TimeoutStartSec = "6min";
          CapabilityBoundingSet = "";
          AmbientCapabilities = "";
          PrivateNetwork = true;
          ReadWritePaths = [ ];
          RestrictAddressFamilies = "AF_UNIX";
        };
      };
    };

    systemd.targets."certkeep-finished@" = {
      description = "TLS certificate %i is in place";
      requires = [ "certkeep-finished@%i.service" ];
      after = [ "certkeep-finished@%i.service" ];
    };
  };
}
