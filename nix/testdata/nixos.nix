# The options of NixOS that the module reads and sets, as nixpkgs declares them,
# and no others: a definition of anything else is an error.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  open = mkOption { type = types.attrsOf types.anything; default = { }; };
  text = default: mkOption { type = types.str; inherit default; };
  flag = default: mkOption { type = types.bool; inherit default; };
  words = mkOption { type = types.listOf types.str; default = [ ]; };
  maybe = type: mkOption { type = types.nullOr type; default = null; };
  lines = mkOption { type = types.lines; default = ""; };
  # In nixpkgs it has no default: nobody reads it where it is not set. Here all is printed.
  file = mkOption { type = types.path; default = "/none"; };
  table = options: mkOption { type = types.attrsOf (types.submodule { inherit options; }); default = { }; };
in
{
  options = {
    assertions = mkOption { type = types.listOf types.anything; default = [ ]; };

    environment = {
      etc = table { source = mkOption { type = types.path; }; };
      systemPackages = mkOption { type = types.listOf types.package; default = [ ]; };
    };

    users.users = table { group = text ""; extraGroups = words; isSystemUser = flag false; };
    users.groups = table { members = words; };

    systemd.package = mkOption { type = types.package; default = pkgs.systemd; };
    systemd.tmpfiles.settings = open;
    systemd.services = table {
      description = text "";
      documentation = words;
      wantedBy = words;
      wants = words;
      requires = words;
      after = words;
      before = words;
      partOf = words;
      restartTriggers = mkOption { type = types.listOf types.anything; default = [ ]; };
      serviceConfig = open;
      unitConfig = open;
    };

    systemd.targets = table { description = text ""; requires = words; after = words; };

    services.nginx = {
      enable = flag false;
      user = text "nginx";
      group = text "nginx";
      virtualHosts = table {
        serverName = maybe types.str;
        serverAliases = words;
        listen = mkOption { type = types.listOf types.anything; default = [ ]; };
        listenAddresses = words;
        default = flag false;
        enableACME = flag false;
        useACMEHost = maybe types.str;
        addSSL = flag false;
        onlySSL = flag false;
        forceSSL = flag false;
        redirectCode = mkOption { type = types.ints.between 300 399; default = 301; };
        sslCertificate = file;
        sslCertificateKey = file;
        sslTrustedCertificate = maybe types.path;
        locations = table {
          root = maybe types.path;
          proxyPass = maybe types.str;
          recommendedProxySettings = flag true; # as where services.nginx.recommendedProxySettings is set
          return = maybe types.str;
          extraConfig = lines;
        };
        extraConfig = lines;
      };
    };

    services.httpd = {
      enable = flag false;
      group = text "wwwrun";
      virtualHosts = mkOption {
        default = { };
        type = types.attrsOf (types.submodule ({ name, ... }: {
          options = {
            hostName = text name;
            serverAliases = words;
            listen = mkOption { type = types.listOf types.anything; default = [ ]; };
            listenAddresses = mkOption { type = types.listOf types.str; default = [ "*" ]; };
            enableACME = flag false;
            useACMEHost = maybe types.str;
            addSSL = flag false;
            onlySSL = flag false;
            forceSSL = flag false;
            sslServerCert = file;
            sslServerKey = file;
            extraConfig = lines;
          };
        }));
      };
    };
  };
}
