# Bakes WhisperX into a virtual machine's disk, with the same playbook as every other image.
#
#   packer validate -var source_image=debian-13-genericcloud-amd64.qcow2 -var checksum=sha512:... packer/whisperx.pkr.hcl
#   packer build ...
#
# Run it in the checkout, with ansible-playbook of .venv/bin first on the PATH. Needs a Packer that carries the qemu
# builder and the ansible provisioner, as Debian's 1.6.6 does; newer ones take them as plugins. Any other source will do,
# a cloud's instead of qemu: docs/packer.md has some.

variable "source_image" {
  type        = string
  description = "A cloud image of the distribution (qcow2), by path or address."
}

variable "checksum" {
  type        = string
  description = "Its checksum, such as sha512:... or file:SHA512SUMS."
}

variable "variables" {
  type        = string
  default     = "packer/variables.example.yml"
  description = "What the image is for: whisperx_host_assume, whisperx_bake_profiles, whisperx_plan_packages."
}

variable "output" {
  type        = string
  default     = "packer-whisperx"
  description = "The directory that the disk is written to; it must not exist."
}

variable "disk_size" {
  type    = string
  default = "20G"
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "kvm, or tcg on a machine without."
}

source "qemu" "image" {
  iso_url          = var.source_image
  iso_checksum     = var.checksum
  disk_image       = true
  disk_size        = var.disk_size
  format           = "qcow2"
  accelerator      = var.accelerator
  headless         = true
  memory           = 4096
  cpus             = 2
  output_directory = var.output
  vm_name          = "whisperx.qcow2"
  ssh_username     = "root"
  # cloud-init takes its seed from Packer, where the machine's serial number says: no kernel needs a driver for that.
  http_directory   = "packer/seed"
  qemuargs = [
    # The default processor of QEMU lacks what numpy and CTranslate2 are compiled for.
    ["-cpu", "max"],
    ["-smbios", "type=1,serial=ds=nocloud;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"],
  ]
  ssh_password     = "build-only"
  ssh_timeout      = "30m"
  shutdown_command = "passwd --lock root; rm -f /root/.ssh/authorized_keys /etc/ssh/sshd_config.d/00-packer.conf; systemctl poweroff"
}

build {
  sources = ["source.qemu.image"]

  provisioner "ansible" {
    playbook_file = "playbooks/bake.yml"
    user          = "root"
    extra_arguments = [
      # Packer's own sshd on the loopback, between Ansible and the machine, has an RSA key up to version 1.7.
      "--ssh-extra-args", "-o IdentitiesOnly=yes -o HostKeyAlgorithms=+ssh-rsa -o PubkeyAcceptedKeyTypes=+ssh-rsa",
      "--extra-vars", "@${var.variables}",
      # Locked and removed by the shutdown command above.
      "--extra-vars", "{\"whisperx_bake_tolerate\": [\"authorized-key\", \"resolver\"]}",
    ]
    ansible_env_vars = ["ANSIBLE_CONFIG=ansible.cfg"]
  }
}
