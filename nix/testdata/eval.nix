# Evaluates a NixOS system that consists of the module and one configuration.
#
# Files that the module makes are made: they go to the store that the caller
# set, and the caller reads them there.
{ configuration, system ? "/nowhere" }:
let
  lib = import ./lib.nix;

  # Programs are under the folder that the caller names.
  program = name: { outPath = "${system}/${name}"; };

  pkgs = {
    formats.json = _: {
      type = lib.types.anything;
      generate = name: value: builtins.toFile name (builtins.toJSON value);
    };
    writeShellScript = name: text: builtins.toFile name "#!/bin/sh\n${text}";
    callPackage = _: _: program "certkeep";
    stdenv = { buildPlatform.canExecute = _: true; hostPlatform = { }; };
    # Nothing is built: the commands are for the caller to run, and where their
    # result would be is what they make it of.
    runCommand = name: attributes: commands: {
      outPath = attributes.written;
      build = { inherit name commands; inherit (attributes) written; inputs = attributes.nativeBuildInputs; };
    };
  } // lib.genAttrs [ "coreutils" "diffutils" "findutils" "gnugrep" "gnused" "openssl" "systemd" ] program;

  evaluated = lib.evalModules {
    modules = [ ./nixos.nix ../module.nix configuration ];
    specialArgs = { inherit pkgs; };
  };

  inherit (evaluated) config options;

  # Every option of the module: its name, and whether it says what it is for.
  named = prefix: tree: builtins.concatLists (lib.mapAttrsToList (name: o:
    let here = if prefix == "" then name else "${prefix}.${name}"; in
    if o._type or "" != "option" then named here o
    else if o.internal or false then [ ]
    else [ { name = here; described = o ? description && o.description != ""; } ]
      ++ (if o.type ? options then named "${here}.<name>" (o.type.options [ here ]) else [ ])) tree);
in
{
  broken = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  file = config.environment.etc."certkeep/certkeep.json".source or "";
  build = config.environment.etc."certkeep/certkeep.json".source.build or null;
  units = config.systemd.services;
  targets = config.systemd.targets;
  tmpfiles = config.systemd.tmpfiles.settings;
  nginx = config.services.nginx.virtualHosts;
  httpd = config.services.httpd.virtualHosts;
  users = config.users.users;
  certs = config.services.certkeep.certs;
  options = named "" options.services.certkeep;
}
