"""Why an archive is not made, or a file is not taken for one. What is wrong inside one is a `Fault`, not a refusal."""

from kernel.refusals import Refusal


class NotArchived(Refusal):
    code = "NOT_ARCHIVED"
    zh = "办件{case}尚未归档（办结后自动归档）。"
    en = "Case {case} has no archive yet; closed cases are archived by themselves."


class ArchiveDiffers(Refusal):
    """The rows or files are not what was sealed at closing: nothing is written."""

    code = "ARCHIVE_DIFFERS"
    zh = "办件{case}归档后内容被改动或丢失：{files}。"
    en = "Since case {case} was archived these were changed or lost: {files}."


class ArchiveUnreadable(Refusal):
    code = "ARCHIVE_UNREADABLE"
    zh = "该文件不是完整的档案包：{why}。"
    en = "The file is no whole archive package: {why}."


class ArchiveCompressed(Refusal):
    code = "ARCHIVE_COMPRESSED"
    zh = "档案包内的文件“{name}”经过压缩，档案包不使用压缩。"
    en = "Entry {name} is compressed; an archive package never is."


class ArchiveTooLarge(Refusal):
    code = "ARCHIVE_TOO_LARGE"
    zh = "档案包的{what}超过上限{limit}。"
    en = "The package's {what} exceed {limit}."


class ArchivePathUnsafe(Refusal):
    code = "ARCHIVE_PATH_UNSAFE"
    zh = "档案包含有不安全的文件名“{name}”。"
    en = "The package holds the unsafe name {name}."


class ArchiveNameTwice(Refusal):
    code = "ARCHIVE_NAME_TWICE"
    zh = "档案包内文件名“{name}”重复。"
    en = "The package holds {name} twice."


class ArchiveFileUnusable(Refusal):
    """The machine's own reason: no such folder, no right, no room; a device is no file either."""

    code = "ARCHIVE_FILE_UNUSABLE"
    zh = "文件{file}无法读写：{why}。"
    en = "The file {file} cannot be used: {why}."


class ManifestUnreadable(Refusal):
    code = "ARCHIVE_MANIFEST_UNREADABLE"
    zh = "档案包缺少清单，或清单无法读取：{why}。"
    en = "The package has no manifest that can be read: {why}."


class RootUnreadable(Refusal):
    code = "ARCHIVE_ROOT_UNREADABLE"
    zh = "根证书文件无法读取。"
    en = "The root certificate's file cannot be read."
