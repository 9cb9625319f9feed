# The package: one static binary, its manual and completions.
{ lib, buildGoModule, installShellFiles, stdenv }:
buildGoModule {
  pname = "certkeep";
  version = "unstable";

  # What the build reads, so that a change of a document rebuilds nothing.
  src = lib.fileset.toSource {
    root = ./..;
    fileset = lib.fileset.unions [
      ../go.mod
      ../go.sum
      ../cmd
      ../internal
      (lib.fileset.fileFilter (file: file.hasExt "go") ../.)
    ];
  };

  # Of the libraries, as `go mod vendor` lays them down. A test in this folder
  # holds it equal to go.mod.
  vendorHash = "sha256-ewhPuGj/6jFsIZ5HWIn4772jRdJrZu9e/aFd+kuCRNo=";

  subPackages = [ "cmd/certkeep" ];
  env.CGO_ENABLED = "0";
  ldflags = [ "-s" "-w" "-X main.version=nix" ];

  # The tests start web servers, name servers and a test CA; `make test` has them.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    for page in $($out/bin/certkeep man --list); do
      $out/bin/certkeep man $page > $page
      installManPage $page
    done
    for shell in bash fish zsh; do
      $out/bin/certkeep completion $shell > certkeep.$shell
    done
    installShellCompletion certkeep.bash certkeep.fish certkeep.zsh
  '';

  meta = {
    description = "Keeps TLS certificates alive: obtains, installs, verifies and renews them";
    homepage = "https://github.com/certkeep/certkeep";
    license = lib.licenses.asl20;
    mainProgram = "certkeep";
    platforms = lib.platforms.unix;
  };
}
