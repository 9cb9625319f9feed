# Certkeep for Nix: the package, and the NixOS module services.certkeep.
# docs/from-nixos.md says how it is used, and what of it was tested. There is no
# lock: `nix flake lock` makes one, and who uses this flake has their own.
{
  description = "Certkeep keeps TLS certificates alive";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      forAll = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = forAll (system: rec {
        certkeep = nixpkgs.legacyPackages.${system}.callPackage ./nix/package.nix { };
        default = certkeep;
      });

      nixosModules = rec {
        certkeep = ./nix/module.nix;
        default = certkeep;
      };
    };
}
