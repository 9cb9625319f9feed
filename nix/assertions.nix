# What cannot work is refused before anything is built, in words that say what
# to change. Certkeep's own checks of its configuration come after these.
{ config, lib, ... }:
let
  inherit (lib) concatMap mapAttrsToList mkIf optional;

  cfg = config.services.certkeep;
  names = import ./names.nix { inherit lib; };
  certs = builtins.attrValues cfg.certs;

  inStore = path: path != null && lib.hasPrefix builtins.storeDir path;
  relative = path: path != null && !(lib.hasPrefix "/" path);
  distinct = values: lib.unique (builtins.filter (v: v != null) values);

  isAddress = name: builtins.match "[0-9]+(\\.[0-9]+){3}" name != null || builtins.match "[0-9a-fA-F:]*:[0-9a-fA-F:.]*" name != null;
  # As Certkeep takes them. A name without a dot is one of a private CA; a
  # wildcard has two labels below it.
  label = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
  isDomain = name: builtins.match "(\\*\\.${label}\\.)?(${label}\\.)*${label}" name != null && builtins.match "(.*\\.)?[0-9]+" name == null;
  isWildcard = lib.hasPrefix "*.";

  must = assertion: message: { inherit assertion message; };

  chosen = c: builtins.filter (o: c.${o} != null) [ "webroot" "listenHTTP" "listenTLS" "dnsProvider" ];

  # Whether `settings` alone say how the names are proven, or that they need not be.
  otherwise = name: c:
    let s = cfg.settings.certificates.${name} or { };
    in chosen c == [ ] && (s ? challenges || s ? static);

  secret = where: path: [
    (must (!inStore path) "${where}: ${toString path} lies in the Nix store, where everybody can read it. Name a file outside, as a string: \"/run/secrets/…\".")
    (must (!relative path) "${where}: ${toString path} is not an absolute path.")
  ];

  challenges = name: c:
    let set = chosen c;
    in [
      (must (builtins.length set == 1 || otherwise name c) (
        if set == [ ] then
          "services.certkeep.certs.\"${name}\": nothing says how its names are proven. Set exactly one of webroot, listenHTTP, listenTLS and dnsProvider, here or in defaults."
        else
          "services.certkeep.certs.\"${name}\": ${lib.concatStringsSep " and " set} are set, and exactly one of them can prove its names. Of a virtual host, acmeRoot = null leaves webroot out."))
    ];

  # Options that one way of proving reads alone, and what they are by themselves.
  ofDNS = { dnsServer = null; dnsCommand = null; dnsResolver = null; dnsPropagationCheck = true; environmentFile = null; credentialFiles = { }; };

  # Those of them that a certificate says itself. What it inherits may be for
  # others, and is passed over where it has no meaning.
  said = c: builtins.filter (o: c.${o} != ofDNS.${o} && !(c.inheritDefaults && c.${o} == cfg.defaults.${o})) (builtins.attrNames ofDNS);

  # What is said instead of an option, where nobody would read it.
  useless = name: c: option: words: must (!(builtins.elem option (said c))) "services.certkeep.certs.\"${name}\".${option}: ${words}";

  withoutDNS = name: c: map (option: useless name c option (
    "only dnsProvider reads it, and none proves this certificate."
    + lib.optionalString (option == "environmentFile" || option == "credentialFiles")
      " Keys for external account binding are in settings.issuers.NAME.eab, variables for Certkeep itself in services.certkeep.environmentFile."
  )) (builtins.attrNames ofDNS);

  # An entry of `settings` says everything itself.
  byEntry = name: c: mapAttrsToList (option: key: useless name c option
    "only rfc2136 and dnsCommand read it. This certificate is proven by settings.dns.${c.dnsProvider}, which has a key for it: ${key}.") {
    dnsServer = "server";
    dnsResolver = "resolver";
    dnsPropagationCheck = "propagation";
    environmentFile = "environment_file";
    credentialFiles = "tsig_file, or environment_file";
  };

  foreign = c: builtins.filter (v: !(lib.hasPrefix "RFC2136_" v)) (builtins.attrNames c.credentialFiles);

  dns = name: c: [
    (must (names.ownDNS c || (cfg.settings.dns or { }) ? ${c.dnsProvider})
      "services.certkeep.certs.\"${name}\".dnsProvider: Certkeep has no provider \"${c.dnsProvider}\". It knows rfc2136 and command, which runs dnsCommand; another name must be an entry of settings.dns.")
    (must (c.dnsProvider == "command" -> c.dnsCommand != null)
      "services.certkeep.certs.\"${name}\": dnsCommand is the program of dnsProvider = \"command\"; set both or neither.")
    (must (c.dnsProvider == "rfc2136" -> foreign c == [ ])
      "services.certkeep.certs.\"${name}\".credentialFiles: only dnsCommand reads ${lib.concatStringsSep ", " (foreign c)}. rfc2136 reads RFC2136_TSIG_FILE, a key file as tsig-keygen writes it, and those of lego's variables that begin with RFC2136_.")
  ]
  ++ optional (c.dnsProvider != "command") (useless name c "dnsCommand" "it is the program of dnsProvider = \"command\"; set both or neither.")
  ++ optional (c.dnsProvider == "command") (useless name c "dnsServer" "only rfc2136 reads it; a program is told of a server by environmentFile.")
  ++ lib.optionals (!(names.ownDNS c)) (byEntry name c);

  issuers = name: c: map (server: must (names.isIssuer cfg.settings server)
    "services.certkeep.certs.\"${name}\".server: \"${server}\" is neither a URL that begins with https:// nor an issuer that Certkeep has, nor one of settings.issuers.")
    (if c.server == null then [ ] else names.list c.server);

  certificate = name: c: challenges name c ++ (if c.dnsProvider == null then withoutDNS else dns) name c ++ issuers name c ++ [
    (must (builtins.match "[A-Za-z0-9_][A-Za-z0-9._-]*" name != null)
      "services.certkeep.certs.\"${name}\": the name of a certificate has letters, digits, dots, hyphens and underscores. A wildcard is given by domain: certs.\"example.com\".domain = \"*.example.com\".")
    (must ((c.csr == null) -> (c.csrKey == null))
      "services.certkeep.certs.\"${name}\": csrKey is the key of a csr, and there is none.")
    (must (c.csr != null -> c.extraDomainNames == [ ])
      "services.certkeep.certs.\"${name}\": the names are those in the csr, so extraDomainNames must be empty.")
  ] ++ lib.optionals (c.csr == null) (concatMap (n: [
    (must (isDomain n || isAddress n)
      "services.certkeep.certs.\"${name}\": \"${n}\" is neither a domain name nor an IP address.")
    (must (isWildcard n -> c.dnsProvider != null || otherwise name c)
      "services.certkeep.certs.\"${name}\": ${n} is a wildcard, which CAs prove by DNS alone. Set dnsProvider.")
    (must (isAddress n -> c.dnsProvider == null)
      "services.certkeep.certs.\"${name}\": ${n} is an IP address, which DNS cannot prove. Set webroot, listenHTTP or listenTLS.")
  ]) ([ c.domain ] ++ c.extraDomainNames))
  ++ concatMap (s: [
    (must (builtins.match "[A-Z][A-Z0-9_]*_(FILE|PATH)" s.name != null)
      "services.certkeep.certs.\"${name}\".credentialFiles: ${s.name} does not end in _FILE or _PATH; the variable will hold the path of a file, not what is in it.")
  ] ++ secret "services.certkeep.certs.\"${name}\".credentialFiles.${s.name}" s.value) (lib.attrsToList c.credentialFiles)
  ++ secret "services.certkeep.certs.\"${name}\".environmentFile" c.environmentFile
  ++ secret "services.certkeep.certs.\"${name}\".csrKey" c.csrKey
  ++ concatMap (readable name) (names.servers cfg name);

  # httpd reads keys as root before it becomes another user; nginx does not,
  # because NixOS starts it as that user.
  readable = name: server:
    let
      group = names.group cfg name;
      nginx = config.services.nginx // { user = config.systemd.services.nginx.serviceConfig.User or config.services.nginx.user; };
      may = nginx.user == "root" || group == nginx.group
        || builtins.elem nginx.user (config.users.groups.${group}.members or [ ])
        || builtins.elem group (config.users.users.${nginx.user}.extraGroups or [ ])
        || builtins.elem group (lib.toList (config.systemd.services.nginx.serviceConfig.SupplementaryGroups or [ ]));
    in optional (server.unit == "nginx.service") (must may
      "services.certkeep.certs.\"${name}\": its key can be read by the group ${group}, and nginx runs as ${nginx.user}, which is not in it. Leave group out, or set users.users.${nginx.user}.extraGroups = [ \"${group}\" ].");

  virtualHosts = server: mapAttrsToList (vhost: h: [
    (must (builtins.length (builtins.filter (b: b) [ h.addSSL h.onlySSL h.forceSSL ]) <= 1)
      "services.certkeep.${server}.\"${vhost}\": addSSL, onlySSL and forceSSL exclude each other.")
    (must (!(config.services.${server}.virtualHosts.${vhost}.enableACME or false) && (config.services.${server}.virtualHosts.${vhost}.useACMEHost or null) == null)
      "services.${server}.virtualHosts.\"${vhost}\": enableACME and useACMEHost ask security.acme for a certificate, and services.certkeep.${server}.\"${vhost}\" asks Certkeep. Take one of them out.")
    (must (!h.forceSSL || config.services.${server}.virtualHosts.${vhost}.listen == [ ])
      "services.certkeep.${server}.\"${vhost}\": with listen of its own there is no port 80 to send visitors on from. Use listenAddresses, or leave forceSSL out.")
    (must (h.useACMEHost == null || cfg.certs ? ${toString h.useACMEHost})
      "services.certkeep.${server}.\"${vhost}\".useACMEHost: there is no certificate \"${toString h.useACMEHost}\" in services.certkeep.certs.")
  ]) cfg.${server};

  same = option: builtins.length (distinct (map (c: c.${option}) certs)) <= 1;
  values = option: lib.concatStringsSep ", " (distinct (map (c: c.${option}) certs));
in
{
  config = mkIf cfg.enable {
    assertions = [
      (must (cfg.certs == { } || cfg.acceptTerms != false)
        "services.certkeep.acceptTerms: agree to the terms of service of the CA by setting it to true, or to the list of issuers whose terms you accept.")
      (must (same "email")
        "services.certkeep: certificates name ${values "email"} as their email. Certkeep has one contact for all accounts; set defaults.email.")
      (must (same "listenHTTP")
        "services.certkeep: certificates name ${values "listenHTTP"} as listenHTTP. One listener answers for all; set defaults.listenHTTP.")
      (must (same "listenTLS")
        "services.certkeep: certificates name ${values "listenTLS"} as listenTLS. One listener answers for all; set defaults.listenTLS.")
    ]
    ++ mapAttrsToList (name: c: must (!cfg.helper || c.postRun == "")
      "services.certkeep.certs.\"${name}\".postRun: with services.certkeep.helper hooks are run by the user ${names.user}, who may not start commands of root. Leave postRun out, or helper. reloadServices are reloaded by the helper.")
      cfg.certs
    ++ map (issuer: must (names.isIssuer cfg.settings (names.issuer issuer))
      "services.certkeep.acceptTerms: \"${issuer}\" is no issuer that Certkeep has, none of settings.issuers, and no server of a certificate.")
      (if builtins.isList cfg.acceptTerms then cfg.acceptTerms else [ ])
    ++ builtins.concatLists (mapAttrsToList certificate cfg.certs)
    ++ builtins.concatLists (virtualHosts "nginx" ++ virtualHosts "httpd")
    ++ builtins.concatLists (mapAttrsToList (id: secret "services.certkeep.credentials.${id}") cfg.credentials)
    ++ secret "services.certkeep.environmentFile" cfg.environmentFile;
  };
}
